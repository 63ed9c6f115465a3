"""Stripe's webhooks for staff: what came, what waits, what failed and why, and doing it again."""

from __future__ import annotations

import json

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from dashboard.billing.errors import InvalidInput
from dashboard.billing.inbox import catch_up, webhook_review
from dashboard.billing.inbox.webhook_inbox import count_inbox
from dashboard.billing.inbox.webhook_review import EventFilter
from dashboard.integrations.stripe.handlers import row_of
from dashboard.jobs.replay import replay_event, replay_failed_events
from dashboard.models import StripeEventState
from dashboard.web.audit import audit
from dashboard.web.staff import blueprint
from dashboard.wiring import now, session


@blueprint.get("/webhooks")
def webhooks() -> str:
    """Events, filtered by `?state=`, `?type=` (its beginning) and `?tenant=`; `?before=` is the last event's id."""
    given = {name: request.args.get(name, "").strip() for name in ("state", "type", "tenant")}
    try:
        wanted = EventFilter.read(given["state"], given["type"], given["tenant"])
    except InvalidInput as error:
        abort(400, f"{error}.")
    return render_template(
        "staff/webhooks/index.html",
        page=webhook_review.list_events(session(), wanted, before=request.args.get("before")),
        given=given,
        states=list(StripeEventState),
        counts=count_inbox(session()),
        notes=webhook_review.list_notes(session(), now()),
        looks=catch_up.last_looks(session()),
    )


@blueprint.get("/webhooks/<event_id>")
def webhook(event_id: str) -> str:
    """One event: what came of it, its traceback and its payload."""
    detail = webhook_review.find_event(session(), event_id)
    row = row_of(detail.event.type)
    payload = json.dumps(detail.payload, indent=2, ensure_ascii=False) if detail.payload else None
    return render_template("staff/webhooks/show.html", detail=detail, why=row.why if row else None, payload=payload)


@blueprint.post("/webhooks/<event_id>/replay")
def replay_webhook(event_id: str) -> Response:
    """Process one event again."""
    webhook_review.find_event(session(), event_id)
    audit("stripe_event.replayed", event_id)
    try:
        replay_event(event_id)
    except InvalidInput as error:
        flash(f"Nothing to replay: {error.message}.", "error")
    else:
        flash("The event is being processed again.", "info")
    return redirect(url_for("staff.webhook", event_id=event_id), 303)


@blueprint.post("/webhooks/replay")
def replay_webhooks() -> Response:
    """Process every failed event again."""
    audit("stripe_events.replayed", "All failed events")
    flash(f"Failed events being processed again: {replay_failed_events()}.", "info")
    return redirect(url_for("staff.webhooks"), 303)
