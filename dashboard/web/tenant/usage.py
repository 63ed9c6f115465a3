"""The usage page: one period, one family of types, chart over table."""

from __future__ import annotations

from flask import g, render_template, request

from dashboard.billing.late_usage import late_by_type
from dashboard.billing.ranges import range_of_period
from dashboard.billing.reports import report_usage
from dashboard.billing.usage_types import USAGE_TYPES
from dashboard.web.charts import build_chart
from dashboard.web.tenant import blueprint
from dashboard.wiring import now, session


@blueprint.get("/usage")
def usage() -> str:
    """Usage of `?period=` (the day it begins), charted for `?family=`."""
    report = report_usage(
        session(),
        g.tenant,
        period_key=request.args.get("period") or None,
        family_key=request.args.get("family") or None,
        now=now(),
    )
    span = range_of_period(session(), g.tenant, report.period, now())
    late = late_by_type(session(), g.tenant.id, span, list(USAGE_TYPES))
    return render_template(
        "tenant/usage/show.html",
        report=report,
        chart=build_chart(report),
        late=[(kind, late[kind.name]) for kind in USAGE_TYPES.values() if kind.name in late],
    )
