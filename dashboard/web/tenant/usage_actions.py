"""The single actions behind a number: one type of a span, narrowed to a user or resource, with their metadata."""

from __future__ import annotations

from dataclasses import replace

from flask import Response, abort, g, make_response, render_template, request
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.reports.range_totals import totals_by_type
from dashboard.billing.reports.usage_details import Position, UsageDetail, decode_cursor, list_details
from dashboard.billing.reports.usage_scope import Scope, find_scope
from dashboard.billing.reports.usage_split import MOST_ROWS
from dashboard.web.csv_export import csv_response
from dashboard.web.tenant import blueprint
from dashboard.web.usage_links import UsageLinks, read_wanted
from dashboard.web.usage_tables import ACTION_COLUMNS, action_row, file_name
from dashboard.wiring import now, read_while_answering, session

ROWS = 100
ROWS_A_READ = 1_000


@blueprint.get("/usage/actions")
def usage_actions() -> Response:
    """The actions of `?type=`, newest first; `?cursor=` leads to earlier ones. The rest is as on the usage page."""
    try:
        scope = find_scope(session(), g.tenant, replace(read_wanted(), granularity=None, group_by=None), now())
        after = decode_cursor(request.args["cursor"]) if request.args.get("cursor") else None
    except InvalidInput as error:
        return make_response(render_template("errors/400.html", detail=str(error)), 422)
    name = request.args.get("type") or scope.kinds[0].name
    if name not in scope.names:
        abort(404, "There is nothing here.")
    if request.args.get("format") == "csv":
        return _file(scope, name)
    totals = totals_by_type(session(), g.tenant.id, scope.span, scope.names)
    # Looking for one user's actions may read all of the span's.
    is_too_much = bool(scope.filters) and name in totals and totals[name].events > MOST_ROWS
    rows, following = ([], None) if is_too_much else _page(session(), g.tenant.id, scope, name, after, ROWS)
    page = render_template(
        "tenant/usage/actions.html",
        scope=scope,
        kind=USAGE_TYPES[name],
        totals=totals,
        rows=rows,
        cursor=following.encode() if following else None,
        is_first=after is None,
        most=MOST_ROWS if is_too_much else None,
        links=UsageLinks(g.tenant.id, scope),
    )
    return make_response(page)


def _page(
    reading: Session, tenant_id: int, scope: Scope, name: str, after: Position | None, limit: int
) -> tuple[list[UsageDetail], Position | None]:
    return list_details(reading, tenant_id, scope.span, name, filters=scope.filters, after=after, limit=limit)


def _file(scope: Scope, name: str) -> Response:
    tenant_id = g.tenant.id

    def read(reading: Session, after: Position | None) -> tuple[list[UsageDetail], Position | None]:
        return _page(reading, tenant_id, scope, name, after, ROWS_A_READ)

    rows = map(action_row, read_while_answering(read))
    return csv_response(file_name(scope, f"actions-{name.lower()}"), ACTION_COLUMNS, rows)
