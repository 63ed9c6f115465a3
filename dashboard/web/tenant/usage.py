"""The usage page: one period, one family of types, chart over table."""

from __future__ import annotations

from flask import g, render_template, request

from dashboard.billing.reports import report_usage
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
    return render_template("tenant/usage/show.html", report=report, chart=build_chart(report))
