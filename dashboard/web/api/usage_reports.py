"""Usage of a tenant over HTTP: every type at a glance, and one type down to the single action."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.ledger.usage_filters import UsageFilters, make_filters
from dashboard.billing.ledger.usage_types import USAGE_TYPES, UsageType
from dashboard.billing.reports.attribution import Attribution, attribute_usage
from dashboard.billing.reports.ranges import Range, find_range
from dashboard.billing.reports.usage_details import Position, UsageDetail, decode_cursor, list_details
from dashboard.billing.reports.usage_summaries import UsageSeries, chart_usage, summarise_usage
from dashboard.models import Tenant
from dashboard.web.api import examples, views
from dashboard.web.api.answers import EventOut, GroupOut, SlotOut, SummaryOut, TypeOut, UsageOut
from dashboard.web.api.keys import require_key
from dashboard.web.api.openapi import Answer, describe
from dashboard.web.api.queries import RangeQuery, SummaryQuery, UsageQuery, read_query
from dashboard.web.csv_export import csv_response, wants_csv
from dashboard.web.errors import answer
from dashboard.wiring import now, read_while_answering, session

blueprint = Blueprint("usage_reports_api", __name__, url_prefix="/api/billing/usage")
blueprint.before_request(require_key)
ROWS_A_READ = 1_000
FILE = {"Content-Disposition": "Of a CSV file: its name."}
CSV = {
    "text/csv": "The rows, with the members of the JSON objects as columns. Cells from your texts that a "
    "spreadsheet would take for a formula begin with an apostrophe."
}


@blueprint.get("")
@describe(
    tag="Usage reports",
    scope="usage:read",
    query=SummaryQuery,
    answers={200: Answer("The summary.", SummaryOut, also=CSV, headers=FILE, example=examples.SUMMARY)},
)
def index() -> ResponseReturnValue:
    """Usage of a period or range: every type at a glance

    Totals of all 16 types, what the plan includes of each and what usage beyond it would cost. Read from totals that
    are kept in the ledger's own transaction: they never lag behind and do not depend on how much history there is.
    """
    query = read_query(SummaryQuery)
    span = _span(query)
    summary = summarise_usage(session(), g.tenant_id, span)
    if wants_csv(query.format):
        rows = (views.view_type(each) for each in summary.types)
        return csv_response(_file("usage", span), views.columns_of(TypeOut), views.cells(rows))
    return jsonify(views.view_summary(summary))


@blueprint.get("/<usage_type:usage_type>")
@describe(
    tag="Usage reports",
    scope="usage:read",
    query=UsageQuery,
    answers={200: Answer("The parts that were asked for.", UsageOut, also=CSV, headers=FILE, example=examples.USAGE)},
    errors=(404,),
)
def show(usage_type: str) -> ResponseReturnValue:
    """One usage type: its series, its groups and the single events

    The series adds up to the total, and so do the groups with `other`; the events behind a group are found with the
    filter of the same name. Events come newest first, page by page: pass `next_cursor` on as `cursor`. Usage that was
    recorded after its period had ended is part of every figure and told apart as late.
    """
    kind = USAGE_TYPES.get(usage_type)
    if kind is None:
        return answer(404, "There is no such usage type.", field="usage_type", allowed=", ".join(USAGE_TYPES))
    query = read_query(UsageQuery)
    if query.view == "groups" and query.group_by is None:
        raise InvalidInput("group_by", "is needed to show groups")
    filters = make_filters(
        user_id=query.user_id,
        resource_type=query.resource_type,
        resource_id=query.resource_id,
        metadata=query.metadata,
    )
    span = _span(query)
    if wants_csv(query.format):
        return _file_of(kind, span, query, filters)
    return jsonify(_parts(kind, span, query, filters))


def _parts(kind: UsageType, span: Range, query: UsageQuery, filters: UsageFilters) -> dict[str, Any]:
    view = "events" if query.view == "all" and query.cursor is not None else query.view
    parts: dict[str, Any] = dict.fromkeys(field.alias or name for name, field in UsageOut.model_fields.items())
    parts |= {"usage_type": kind.name, "unit": kind.unit, "aggregation": kind.aggregation, **views.view_span(span)}
    if view in {"all", "series"}:
        series = _series(kind, span, query, filters)
        slots = [views.view_slot(slot, kind) for slot in series.slots]
        parts |= {"total": views.view_total(series, kind), "granularity": query.granularity, "series": slots}
    if view in {"all", "groups"} and query.group_by is not None:
        found = _groups(kind, span, query, filters)
        groups = [views.view_group(group) for group in found.groups]
        parts |= {"group_by": query.group_by, "groups": groups, "other": views.view_other(found)}
    if view in {"all", "events"}:
        after = decode_cursor(query.cursor) if query.cursor is not None else None
        page, following = list_details(
            session(),
            g.tenant_id,
            span,
            kind.name,
            filters=filters,
            only_late=query.late,
            after=after,
            limit=query.limit,
        )
        events = [views.view_event(event) for event in page]
        parts |= {"events": events, "next_cursor": following.encode() if following else None}
    return parts


def _file_of(kind: UsageType, span: Range, query: UsageQuery, filters: UsageFilters) -> Response:
    """One part as a CSV file. Events are read while they are sent, however many there are."""
    view = ("groups" if query.group_by else "events") if query.view == "all" else query.view
    name = _file(f"{kind.name.lower()}-{view}", span)
    if view == "series":
        slots = (views.view_slot(slot, kind) for slot in _series(kind, span, query, filters).slots)
        return csv_response(name, views.columns_of(SlotOut), views.cells(slots))
    if view == "groups":
        return csv_response(name, views.columns_of(GroupOut), views.group_rows(_groups(kind, span, query, filters)))
    tenant_id = g.tenant_id

    def read(reading: Session, after: Position | None) -> tuple[list[UsageDetail], Position | None]:
        return list_details(
            reading,
            tenant_id,
            span,
            kind.name,
            filters=filters,
            only_late=query.late,
            after=after,
            limit=ROWS_A_READ,
        )

    events = read_while_answering(read)
    return csv_response(name, views.columns_of(EventOut), views.cells(map(views.view_event, events)))


def _series(kind: UsageType, span: Range, query: UsageQuery, filters: UsageFilters) -> UsageSeries:
    return chart_usage(session(), g.tenant_id, span, kind, granularity=query.granularity, filters=filters, now=now())


def _groups(kind: UsageType, span: Range, query: UsageQuery, filters: UsageFilters) -> Attribution:
    by = query.group_by or ""
    return attribute_usage(session(), g.tenant_id, span, kind, group_by=by, limit=query.limit, filters=filters)


def _span(query: RangeQuery) -> Range:
    tenant = session().get_one(Tenant, g.tenant_id)
    return find_range(session(), tenant, period=query.period, start=query.start, stop=query.stop, now=now())


def _file(what: str, span: Range) -> str:
    return f"{what}-{span.start:%Y-%m-%d}-{span.stop:%Y-%m-%d}"
