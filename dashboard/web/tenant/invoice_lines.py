"""A metered invoice line explained, level by level: its days, a day's users, the single actions."""

from __future__ import annotations

from datetime import date

from flask import abort, g, render_template, request

from dashboard.billing.errors import InvalidInput
from dashboard.billing.invoices.line_explanation import explain_day, explain_line, find_line, list_actions
from dashboard.billing.ledger.usage_filters import UsageFilters, make_filters
from dashboard.billing.reports.usage_details import decode_cursor
from dashboard.web.tenant import blueprint
from dashboard.wiring import session

USERS = 100
ROWS = 100


@blueprint.get("/invoices/<invoice_id>/lines/<int:position>")
def invoice_line(invoice_id: str, position: int) -> str:
    """A line: its tiers in words, and its days."""
    line = find_line(session(), g.tenant.id, invoice_id, position)
    return render_template("tenant/invoices/line.html", explained=explain_line(session(), line), line=line)


@blueprint.get("/invoices/<invoice_id>/lines/<int:position>/<day>")
def invoice_line_day(invoice_id: str, position: int, day: str) -> str:
    """One day of a line: its users, those with the most first."""
    line = find_line(session(), g.tenant.id, invoice_id, position)
    explained = explain_day(session(), line, _day(day), limit=USERS)
    return render_template("tenant/invoices/line_day.html", explained=explained, line=line)


@blueprint.get("/invoices/<invoice_id>/lines/<int:position>/<day>/actions")
def invoice_line_actions(invoice_id: str, position: int, day: str) -> str:
    """The single actions of a day, newest first: those of `?user=` (an empty one: of nobody), or all."""
    line = find_line(session(), g.tenant.id, invoice_id, position)
    try:
        after = decode_cursor(request.args["cursor"]) if request.args.get("cursor") else None
        page = list_actions(session(), line, _day(day), _filters(), after=after, limit=ROWS)
    except InvalidInput as wrong:
        abort(400, f"{wrong.field} {wrong.message}.")
    return render_template(
        "tenant/invoices/line_actions.html",
        page=page,
        line=line,
        user=request.args.get("user"),
        continued=after is not None,
    )


def _day(written: str) -> date:
    try:
        return date.fromisoformat(written)
    except ValueError:
        abort(404, "There is nothing here.")


def _filters() -> UsageFilters:
    user = request.args.get("user")
    if user == "":
        return UsageFilters(without_user=True)
    return make_filters(user_id=user, resource_type=None, resource_id=None, metadata={})
