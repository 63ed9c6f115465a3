"""The meter sync for staff: what is owed to Stripe, starting a run of any or all, watching and canceling one."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from dashboard.billing.errors import InvalidInput, NotNow
from dashboard.billing.metering.sync_runs import cancel_run, need_tenant, read_usage_types
from dashboard.billing.metering.sync_views import find_run, list_runs, overview
from dashboard.billing.plans.plans import catalog
from dashboard.jobs.metering import start_sync
from dashboard.web.audit import audit
from dashboard.web.queries import read_before, read_id
from dashboard.web.staff import blueprint
from dashboard.wiring import now, session


@blueprint.get("/syncs")
def syncs() -> str:
    """What is owed to Stripe, and the runs so far; `?before=` is the last run's id."""
    return _page()


@blueprint.post("/syncs")
def create_sync() -> ResponseReturnValue:
    """Start a sync, or show the one of the same scope that is under way."""
    try:
        tenant_id = _tenant(request.form.get("tenant", "").strip())
        # Before the run's own transaction, at whose end the reader would be gone from the session.
        need_tenant(session(), tenant_id)
        usage_types = read_usage_types(request.form.getlist("usage_types") or None)
    except InvalidInput as error:
        return _page(error=error), 422
    audit("sync.asked", ", ".join(usage_types or ["All usage types"]), tenant_id=tenant_id)
    run_id = start_sync(current_user.email, tenant_id, usage_types)
    return redirect(url_for("staff.sync", sync_id=run_id), 303)


@blueprint.get("/syncs/<int:sync_id>")
def sync(sync_id: int) -> str:
    """One run; while it is live the page asks again by itself."""
    return render_template("staff/syncs/show.html", run=find_run(session(), sync_id))


@blueprint.post("/syncs/<int:sync_id>/cancel")
def cancel_sync(sync_id: int) -> ResponseReturnValue:
    """Have a run end after the chunk in hand."""
    try:
        cancel_run(session(), sync_id, canceled_by=current_user.email, now=now())
    except NotNow:
        flash("The sync had ended before it could be canceled.", "info")
    else:
        audit("sync.canceled", f"Sync {sync_id}", tenant_id=find_run(session(), sync_id).tenant_id)
        session().commit()
    return redirect(url_for("staff.sync", sync_id=sync_id), 303)


def _tenant(value: str) -> int | None:
    if not value:
        return None
    tenant_id = read_id(value)
    if tenant_id is None:
        raise InvalidInput("tenant", "must be the number of a tenant, or empty for all")
    return tenant_id


def _page(error: InvalidInput | None = None) -> str:
    return render_template(
        "staff/syncs/index.html",
        page=list_runs(session(), before=read_before()),
        overview=overview(session(), now()),
        meters=catalog().metered,
        given=request.form,
        error=error,
    )
