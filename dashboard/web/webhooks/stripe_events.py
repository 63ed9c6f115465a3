"""Stripe's webhooks: verify, insert or ignore, commit, enqueue, 200."""

from __future__ import annotations

import structlog
from flask import Blueprint, abort, jsonify, request
from flask.typing import ResponseReturnValue

from dashboard.billing.webhook_inbox import store_stripe_event
from dashboard.integrations.stripe.signature import UnverifiedWebhook, verify_webhook
from dashboard.jobs.queues import WEBHOOKS, enqueue
from dashboard.jobs.webhooks import process_stripe_event
from dashboard.web.api.webhook_descriptions import stripe_webhook
from dashboard.wiring import now, session, wiring

blueprint = Blueprint("stripe_webhooks", __name__)
log = structlog.get_logger()


@blueprint.post("/api/billing/webhook")
@stripe_webhook
def create() -> ResponseReturnValue:
    """Store one event. What cannot be verified is refused with 400 and leaves no trace in the database."""
    secret = wiring().settings.stripe_webhook_secret
    if secret is None:
        abort(503, "STRIPE_WEBHOOK_SECRET is not set: run `flask stripe setup --webhook` and set what it prints.")
    try:
        event = verify_webhook(request.get_data(), request.headers.get("Stripe-Signature"), secret.get_secret_value())
    except UnverifiedWebhook as error:
        log.warning("webhook refused", reason=str(error), address=request.remote_addr)
        abort(400, f"Stripe-Signature: {error}.")
    is_new = store_stripe_event(session(), event, now())
    session().commit()
    if is_new:
        enqueue(WEBHOOKS, process_stripe_event, event["id"])
    return jsonify({"received": True, "is_new": is_new})
