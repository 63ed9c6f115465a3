"""Pages of staff: all tenants, one tenant's story, what waits or failed. Nobody else learns that they exist."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, url_for
from flask_login import current_user, login_required
from werkzeug.wrappers import Response

from dashboard.billing.billing_state import list_delinquent
from dashboard.billing.sync_runs import find_run, list_runs, overview
from dashboard.jobs.metering import start_sync
from dashboard.web.viewing import current_view
from dashboard.wiring import now, session

blueprint = Blueprint("staff", __name__, url_prefix="/staff")


@blueprint.before_request
@login_required
def require_staff() -> None:
    """Staff only; the banner of a view is on their pages too."""
    if not current_user.is_staff:
        abort(404, "There is nothing here.")
    current_view()


@blueprint.get("/syncs")
def syncs() -> str:
    """What is owed to Stripe, and the runs so far."""
    return render_template(
        "staff/syncs/index.html",
        runs=list_runs(session()),
        overview=overview(session(), now()),
        delinquent=list_delinquent(session()),
    )


@blueprint.post("/syncs")
def create_sync() -> Response:
    """Start a sync, or show the one under way."""
    run_id = start_sync(current_user.email)
    return redirect(url_for("staff.sync", sync_id=run_id), 303)


@blueprint.get("/syncs/<int:sync_id>")
def sync(sync_id: int) -> str:
    """One run; while it is live the page asks again by itself."""
    return render_template("staff/syncs/show.html", run=find_run(session(), sync_id))


from dashboard.web.staff import (  # noqa: E402 (they add their views)
    dead_letters,  # noqa: F401
    home,  # noqa: F401
    meter_errors,  # noqa: F401
    prices,  # noqa: F401
    proposals,  # noqa: F401
    queues,  # noqa: F401
    subscriptions,  # noqa: F401
    tenants,  # noqa: F401
    views,  # noqa: F401
    webhooks,  # noqa: F401
)
