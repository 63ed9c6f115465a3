"""Stripe's webhooks: verify, insert or ignore, commit, ask for a worker, 200."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from flask import Blueprint, Response, abort, request
from flask.typing import ResponseReturnValue

from dashboard.billing.inbox.webhook_inbox import IncomingEvent, store_events
from dashboard.database import db
from dashboard.integrations.stripe.events import NotAnEvent, parse_event
from dashboard.integrations.stripe.signature import UnverifiedWebhook, Verified, verify_webhook
from dashboard.jobs.doorbell import Doorbell
from dashboard.jobs.webhooks import ask_for_processing
from dashboard.web.api.webhook_descriptions import stripe_webhook
from dashboard.web.combining import Combined
from dashboard.web.hot_paths import OK, Answer
from dashboard.wiring import now, wiring

PATH = "/api/billing/webhook"
blueprint = Blueprint("stripe_webhooks", __name__)
log = structlog.get_logger()
# Stripe's own events are a few kilobytes.
LARGEST = 1_000_000


def store_together(events: Sequence[IncomingEvent]) -> list[bool]:
    """Store events in one statement; whether each is new. Events of one moment may repeat each other."""
    # One statement is a transaction of its own: a trip to the server instead of three.
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        new = store_events(connection, events, now())
    for_new = any(event.subject and event.id in new for event in events)
    bell.ring(for_new=for_new, is_followed=writes.waiting > 0)
    answers = []
    for event in events:
        answers.append(event.id in new)
        new.discard(event.id)
    return answers


bell = Doorbell(ask_for_processing)
writes: Combined[IncomingEvent, bool] = Combined(store_together)


def store_usual(environ: Mapping[str, Any], body: bytes) -> Answer | None:
    """Store one event that is in order (see `web/hot_paths.py`); the first secret's only, the view notes others."""
    settings = wiring().settings
    secrets = settings.stripe_webhook_secrets[:1]
    if not secrets:
        return None
    try:
        verified = verify_webhook(body, environ.get("HTTP_STRIPE_SIGNATURE"), secrets)
        event = parse_event(verified.text, is_live=settings.is_stripe_live)
    except (UnverifiedWebhook, NotAnEvent):
        return None
    return Answer(OK, _told(writes.write(event)))


def _told(is_new: bool) -> bytes:
    return b'{"received":true,"is_new":true}' if is_new else b'{"received":true,"is_new":false}'


@blueprint.post(PATH)
@stripe_webhook
def create() -> ResponseReturnValue:
    """Store one event. What is not Stripe's, or no event for us, is refused with 400 and leaves no trace."""
    request.max_content_length = LARGEST
    settings = wiring().settings
    secrets = settings.stripe_webhook_secrets
    if not secrets:
        abort(503, "STRIPE_WEBHOOK_SECRET is not set: run `flask stripe setup --webhook` and set what it prints.")
    verified = _verified(secrets)
    try:
        event = parse_event(verified.text, is_live=settings.is_stripe_live)
    except NotAnEvent as error:
        log.warning("webhook is no event for us", reason=str(error), address=request.remote_addr)
        abort(400, f"{error}.")
    if verified.secret > 1:
        log.info("webhook verified by another secret than the first", event_id=event.id, secret=verified.secret)
    return Response(_told(writes.write(event)), content_type="application/json")


def _verified(secrets: list[str]) -> Verified:
    try:
        return verify_webhook(request.get_data(), request.headers.get("Stripe-Signature"), secrets)
    except UnverifiedWebhook as error:
        log.warning("webhook refused", reason=str(error), address=request.remote_addr)
        abort(400, f"Stripe-Signature: {error}.")
