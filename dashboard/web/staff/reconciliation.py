"""Reconciliation for staff: what was found and its one repair, and one meter and period by the hour."""

from __future__ import annotations

from datetime import UTC, date, datetime

from flask import abort, flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from dashboard.billing.errors import InvalidInput
from dashboard.billing.fields import MAX_ID
from dashboard.billing.reconciliation import reports
from dashboard.billing.reconciliation.repairs import find_finding
from dashboard.billing.reconciliation.reports import FindingQuery
from dashboard.jobs.queues import METERING, enqueue
from dashboard.jobs.reconciliation import HOUR, check_period, reconcile_due, repair_and_send
from dashboard.models import FindingState
from dashboard.web.audit import audit
from dashboard.web.staff import blueprint
from dashboard.wiring import session


@blueprint.get("/reconciliation")
def reconciliation() -> str:
    """Findings, newest first, filtered by `?state=` and `?tenant=`; `?before=` is the last one's number."""
    given = {name: request.args.get(name, "").strip() for name in ("state", "tenant")}
    before = request.args.get("before", "")
    try:
        query = FindingQuery.read(given["state"], given["tenant"])
    except InvalidInput as error:
        abort(400, f"{error}.")
    last = int(before) if before.isascii() and before.isdigit() and int(before) <= MAX_ID else None
    found = reports.list_findings(session(), query, before=last)
    return render_template(
        "staff/reconciliation/index.html",
        findings=found[: reports.ROWS],
        has_more=len(found) > reports.ROWS,
        given=given,
        states=list(FindingState),
        counts=reports.count_all(session()),
    )


@blueprint.post("/reconciliation")
def start_reconciliation() -> Response:
    """Look at every period that is due, now."""
    audit("reconciliation.asked", "Every period that is due")
    session().commit()
    if enqueue(METERING, reconcile_due, timeout=HOUR):
        flash("Every period that is due is being compared now.", "info")
    else:
        flash("The queue is out of reach; the schedule compares them within the hour.", "error")
    return redirect(url_for("staff.reconciliation"), 303)


@blueprint.post("/reconciliation/<int:tenant_id>/findings/<int:finding_id>/repair")
def repair_difference(tenant_id: int, finding_id: int) -> Response:
    """Repair one finding, if it is still there."""
    by, finding = current_user.email, find_finding(session(), tenant_id, finding_id)
    if finding.state != FindingState.OPEN:
        flash(f"There is nothing to repair: the finding is {finding.state}.", "info")
        return redirect(url_for("staff.reconciliation"), 303)
    told = {"usage_type": finding.usage_type, "repair": finding.repair}
    audit("finding.repair_asked", f"Finding {finding_id}", told, tenant_id=tenant_id)
    session().commit()
    if enqueue(METERING, repair_and_send, tenant_id, finding_id, by, timeout=HOUR):
        flash("It is being compared once more and then repaired.", "info")
    else:
        flash("The queue is out of reach. Nothing was done; try again.", "error")
    return redirect(url_for("staff.reconciliation"), 303)


@blueprint.get("/reconciliation/<int:tenant_id>/<period>/<usage_type>")
def reconciled_period(tenant_id: int, period: str, usage_type: str) -> str:
    """One usage type and the period that begins at `period` (Unix seconds); `?day=` shows that day's hours."""
    start, day = _moment(period), _day(request.args.get("day", ""))
    return render_template(
        "staff/reconciliation/show.html",
        detail=reports.find_check(session(), tenant_id, start, usage_type.replace("\x00", ""), day),
        period=period,
    )


@blueprint.post("/reconciliation/<int:tenant_id>/<period>/<usage_type>")
def compare_again(tenant_id: int, period: str, usage_type: str) -> Response:
    """Look at one period again."""
    start = _moment(period)
    reports.find_check(session(), tenant_id, start, usage_type.replace("\x00", ""), None)
    audit("reconciliation.asked", f"The period from {start:%Y-%m-%d %H:%M} UTC", tenant_id=tenant_id)
    session().commit()
    if enqueue(METERING, check_period, tenant_id, start, timeout=600):
        flash("The period is being compared again.", "info")
    else:
        flash("The queue is out of reach. Nothing was done; try again.", "error")
    where = url_for("staff.reconciled_period", tenant_id=tenant_id, period=period, usage_type=usage_type)
    return redirect(where, 303)


def _moment(seconds: str) -> datetime:
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 11):
        abort(404, "There is nothing here.")
    return datetime.fromtimestamp(int(seconds), UTC)


def _day(value: str) -> date | None:
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        abort(400, "day: must be a date such as 2026-06-15.")
