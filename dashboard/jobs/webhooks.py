"""Process a stored Stripe event."""

from __future__ import annotations

import traceback

import structlog

from dashboard.billing.webhook_inbox import mark_attempt_failed
from dashboard.integrations.stripe import handlers
from dashboard.jobs.billing_states import follow_stale_states
from dashboard.jobs.outgoing import enqueue_due_webhooks
from dashboard.models import StripeEvent, StripeEventState
from dashboard.wiring import unit_of_work, wiring

log = structlog.get_logger()


def process_stripe_event(event_id: str) -> None:
    """Bring our tables up to date for one event; a failure is noted and tried again later."""
    parts = wiring()
    now = parts.clock.now()
    try:
        with unit_of_work() as session:
            event = session.get(StripeEvent, event_id)
            if event is None or event.state != StripeEventState.PENDING:
                return
            state = handlers.process_stripe_event(handlers.Context(session, parts.billing, parts.pins, now), event)
        log.info("stripe event settled", event_id=event_id, state=state.value)
    except Exception:
        with unit_of_work() as session:
            retry_at = mark_attempt_failed(session, event_id, traceback.format_exc(), parts.clock.now())
        log.exception("stripe event failed", event_id=event_id, retry_at=retry_at)
    else:
        follow_stale_states()
        enqueue_due_webhooks()  # the sync may have announced something
