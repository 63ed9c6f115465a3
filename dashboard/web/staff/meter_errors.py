"""Refused meter events for staff: the cause in words, mending and sending again; Stripe's reports below."""

from __future__ import annotations

from flask import abort, flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from dashboard.billing import metering
from dashboard.billing.errors import NotNow
from dashboard.billing.metering import refused
from dashboard.billing.metering.meter_errors import list_meter_errors
from dashboard.jobs.meter_mending import ask_to_resend
from dashboard.jobs.metering import start_sync
from dashboard.web.audit import audit
from dashboard.web.staff import blueprint
from dashboard.wiring import now, session

MOST_ID = 2**63 - 1


@blueprint.get("/meter-errors")
def meter_errors() -> str:
    """Batches that Stripe refused, newest first, those of `?code=` only; `?before=` is the last one's id."""
    code, before = request.args.get("code") or None, _read_before(request.args.get("before", ""))
    if code is not None and "\0" in code:
        abort(400, "code: must be text.")
    batches = refused.list_refused(session(), before=before, code=code)
    return render_template(
        "staff/meter_errors/index.html",
        batches=batches,
        next_before=batches[-1].id if len(batches) == refused.PAGE else None,
        counts=[(each, metering.cause_of(each), count) for each, count in refused.count_refused(session())],
        code=code,
        reports=list_meter_errors(session(), limit=20),
    )


@blueprint.post("/meter-errors/<int:tenant_id>/<int:event_id>/resend")
def resend_meter_event(tenant_id: int, event_id: int) -> Response:
    """Mend one batch and send it again."""
    by = current_user.email
    try:
        mended = metering.resend(session(), tenant_id, event_id, now())
    except NotNow as reason:
        flash(f"Not sent again: {reason}.", "error")
        return redirect(url_for("staff.meter_errors"), 303)
    is_sent, is_proposed = mended.event is not None, mended.proposal is not None
    audit("meter_event.resent", f"Batch {event_id}", {"proposed": is_proposed}, tenant_id=tenant_id)
    session().commit()
    if is_sent:
        start_sync(by, tenant_id)
        flash("The batch is on its way again, under a new identifier.", "ok")
    elif is_proposed:
        flash("No meter takes it any more, so it is proposed for an invoice instead.", "info")
    else:
        flash("It changes no invoice; the batch is closed.", "info")
    return redirect(url_for("staff.meter_errors"), 303)


@blueprint.post("/meter-errors/<int:tenant_id>/<int:event_id>/confirm")
def confirm_meter_event(tenant_id: int, event_id: int) -> Response:
    """Note that Stripe counts a batch whose answer was lost."""
    try:
        metering.confirm(session(), tenant_id, event_id, now())
        audit("meter_event.confirmed", f"Batch {event_id}", tenant_id=tenant_id)
        session().commit()
    except NotNow as reason:
        flash(f"Not noted: {reason}.", "error")
    else:
        flash("Noted: Stripe counts this batch.", "ok")
    return redirect(url_for("staff.meter_errors"), 303)


@blueprint.post("/meter-errors/resend")
def resend_meter_events() -> Response:
    """Mend every refused batch, or those of one cause."""
    by, code = current_user.email, request.form.get("code") or None
    if code is not None and "\0" in code:
        abort(400, "code: must be text.")
    audit("meter_events.resent", code or "Of every cause")
    session().commit()
    ask_to_resend(by, code)
    flash("Refused batches are being mended and sent again.", "info")
    return redirect(url_for("staff.meter_errors"), 303)


def _read_before(given: str) -> int | None:
    if not given:
        return None
    if not (given.isascii() and given.isdigit()) or int(given) > MOST_ID:
        abort(400, "before: must be the number of a batch.")
    return int(given)
