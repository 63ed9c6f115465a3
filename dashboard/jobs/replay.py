"""Doing it again: events that staff or a command want processed once more."""

from __future__ import annotations

from dashboard.billing.errors import NotFound
from dashboard.billing.inbox import webhook_queue
from dashboard.integrations.stripe.handlers import subject_of
from dashboard.jobs.webhooks import ask_for_processing
from dashboard.models import StripeEvent
from dashboard.wiring import unit_of_work, wiring


def replay_event(event_id: str) -> None:
    """Process one event again, for what today's table says is to be fetched.

    Raises `NotFound`, and `InvalidInput` for an event for which nothing is fetched.
    """
    with unit_of_work() as session:
        event = session.get(StripeEvent, event_id)
        if event is None:
            raise NotFound(f"no Stripe event {event_id}")
        subject = subject_of(event.payload) if event.payload else None
        webhook_queue.replay_event(session, event_id, str(subject) if subject else None, wiring().clock.now())
    ask_for_processing()


def replay_failed_events() -> int:
    """Process every failed event again; answers how many."""
    with unit_of_work() as session:
        count = webhook_queue.replay_failed(session, wiring().clock.now())
    if count:
        ask_for_processing()
    return count
