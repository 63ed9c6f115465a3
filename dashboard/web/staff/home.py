"""Staff's first page: all tenants at a glance."""

from __future__ import annotations

from flask import render_template

from dashboard.billing.mirror.billing_state import list_delinquent
from dashboard.billing.plans.plans import plan_name
from dashboard.billing.staff.staff_overview import view_all_tenants
from dashboard.jobs.queue_health import look_at_queues
from dashboard.web.staff import blueprint
from dashboard.wiring import now, session

OWING_SHOWN = 8


@blueprint.get("")
def home() -> str:
    """Tenants by plan and state, their usage, what is owed to Stripe, what failed, and who does not pay."""
    return render_template(
        "staff/home/show.html",
        overview=view_all_tenants(session(), now()),
        owing=list_delinquent(session(), limit=OWING_SHOWN),
        queues=look_at_queues(),
        plan_name=plan_name,
    )
