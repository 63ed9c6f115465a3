"""What arrived after a period had closed, action by action."""

from __future__ import annotations

from flask import abort, g, render_template, request

from dashboard.billing.errors import InvalidInput
from dashboard.billing.ledger.usage_filters import UsageFilters
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.reports.late_usage import late_by_type
from dashboard.billing.reports.ranges import find_range
from dashboard.billing.reports.usage_details import decode_cursor, list_details
from dashboard.web.tenant import blueprint
from dashboard.wiring import now, session

ROWS = 100


@blueprint.get("/usage/late")
def late_usage() -> str:
    """The late actions of `?period=` by type; the rows are those of `?type=` (the first with any by default)."""
    try:
        span = find_range(session(), g.tenant, period=request.args.get("period"), start=None, stop=None, now=now())
        after = decode_cursor(request.args["cursor"]) if "cursor" in request.args else None
    except InvalidInput:
        abort(404, "There is nothing here.")
    late = late_by_type(session(), g.tenant.id, span, list(USAGE_TYPES))
    name = request.args.get("type") or next((name for name in USAGE_TYPES if name in late), "SMS_SENT")
    if name not in USAGE_TYPES:
        abort(404, "There is nothing here.")
    rows, following = list_details(
        session(), g.tenant.id, span, name, filters=UsageFilters(), only_late=True, after=after, limit=ROWS
    )
    return render_template(
        "tenant/usage/late.html",
        span=span,
        late=[(kind, late[kind.name]) for kind in USAGE_TYPES.values() if kind.name in late],
        kind=USAGE_TYPES[name],
        rows=rows,
        cursor=following.encode() if following else None,
    )
