"""The tenant's own meter syncs: what waits for Stripe, "Sync now", and how each run is getting on."""

from __future__ import annotations

from flask import flash, g, redirect, render_template, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from dashboard.billing.errors import NotNow
from dashboard.billing.metering.sync_runs import cancel_run
from dashboard.billing.metering.sync_views import find_run, last_complete_at, list_runs
from dashboard.billing.metering.sync_waiting import list_waiting
from dashboard.jobs.metering import start_sync
from dashboard.web.audit import audit
from dashboard.web.queries import read_before
from dashboard.web.tenant import blueprint, require_buyer
from dashboard.wiring import now, session


@blueprint.get("/syncs")
def syncs() -> str:
    """What waits, and the tenant's runs; `?before=` is the last run's id."""
    return render_template(
        "tenant/syncs/index.html",
        page=list_runs(session(), tenant_id=g.tenant.id, before=read_before()),
        waiting=list_waiting(session(), now(), tenant_id=g.tenant.id),
        has_customer=g.tenant.stripe_customer_id is not None,
        last_complete_at=last_complete_at(session()),
    )


@blueprint.post("/syncs")
def create_sync() -> Response:
    """Start a sync of this tenant, or show the one under way."""
    require_buyer()
    tenant_id = g.tenant.id
    audit("sync.asked", "All usage types")
    run_id = start_sync(current_user.email, tenant_id)
    return redirect(url_for("tenant.sync", tenant_id=tenant_id, sync_id=run_id), 303)


@blueprint.get("/syncs/<int:sync_id>")
def sync(sync_id: int) -> str:
    """One run; while it is live the page asks again by itself."""
    return render_template("tenant/syncs/show.html", run=find_run(session(), sync_id, tenant_id=g.tenant.id))


@blueprint.post("/syncs/<int:sync_id>/cancel")
def cancel_sync(sync_id: int) -> Response:
    """Have a run end after the chunk in hand."""
    require_buyer()
    try:
        cancel_run(session(), sync_id, canceled_by=current_user.email, now=now(), tenant_id=g.tenant.id)
    except NotNow:
        flash("The sync had ended before it could be canceled.", "info")
    else:
        audit("sync.canceled", f"Sync {sync_id}")
        session().commit()
    return redirect(url_for("tenant.sync", tenant_id=g.tenant.id, sync_id=sync_id), 303)
