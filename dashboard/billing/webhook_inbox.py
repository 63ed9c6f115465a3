"""The webhook inbox: each event is stored once, processed once, retried with backoff, then left for staff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.models import StripeEvent, StripeEventState

MAX_ATTEMPTS = 8


def store_stripe_event(session: Session, event: Mapping[str, Any], now: datetime) -> bool:
    """Store a verified event. False when it was there already: Stripe delivers at least once."""
    data = event.get("data") or {}
    subject = data.get("object") if isinstance(data, Mapping) else None
    object_id = _object_id(subject) if isinstance(subject, Mapping) else None
    statement = (
        insert(StripeEvent)
        .values(
            id=event["id"],
            type=event["type"],
            object_id=object_id,
            api_version=event.get("api_version"),
            payload=dict(event),
            created_at=_moment(event.get("created"), now),
            received_at=now,
            next_attempt_at=now,
        )
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(StripeEvent.id)
    )
    return session.scalar(statement) is not None


def _object_id(subject: Mapping[str, Any]) -> str | None:
    """The id of what an event is about. A summary of entitlements has none: it is about those of its customer."""
    if subject.get("object") == "entitlements.active_entitlement_summary":
        return f"entitlements:{subject.get('customer')}"
    return subject.get("id")


def _moment(created: object, now: datetime) -> datetime:
    """Snapshot events carry Unix seconds, thin events an ISO 8601 text."""
    if isinstance(created, (int, float)):
        return datetime.fromtimestamp(created, UTC)
    return datetime.fromisoformat(created) if isinstance(created, str) else now


def list_due_events(session: Session, now: datetime, *, limit: int = 500) -> list[str]:
    """Ids of the events whose time has come: what a sweeper enqueues after a crash."""
    return list(
        session.scalars(
            select(StripeEvent.id)
            .where(StripeEvent.state == StripeEventState.PENDING, StripeEvent.next_attempt_at <= now)
            .order_by(StripeEvent.next_attempt_at)
            .limit(limit)
        )
    )


def list_waiting_together(session: Session, event: StripeEvent) -> list[str]:
    """This event and every other pending one about the same object: one fetch settles them all."""
    if event.object_id is None:
        return [event.id]
    same = session.scalars(
        select(StripeEvent.id).where(
            StripeEvent.object_id == event.object_id, StripeEvent.state == StripeEventState.PENDING
        )
    )
    return sorted({event.id, *same})


def mark_settled(session: Session, ids: list[str], state: StripeEventState, now: datetime) -> None:
    """Note that these events are done."""
    session.execute(
        update(StripeEvent)
        .where(StripeEvent.id.in_(ids), StripeEvent.state != StripeEventState.PROCESSED)
        .values(state=state, processed_at=now, error=None, attempts=StripeEvent.attempts + 1)
    )


def mark_attempt_failed(session: Session, event_id: str, error: str, now: datetime) -> datetime | None:
    """Note a failed attempt; answers when to try again, or None when it now waits for staff."""
    event = session.get(StripeEvent, event_id, with_for_update=True, populate_existing=True)
    if event is None or event.state != StripeEventState.PENDING:
        return None
    event.attempts += 1
    event.error = error
    if event.attempts >= MAX_ATTEMPTS:
        event.state = StripeEventState.FAILED
        return None
    event.next_attempt_at = now + timedelta(seconds=min(5 * 4 ** (event.attempts - 1), 3_600))
    return event.next_attempt_at


@dataclass(frozen=True, slots=True)
class InboxCounts:
    """How many events wait for the worker, and how many for staff."""

    pending: int
    failed: int


def count_inbox(session: Session) -> InboxCounts:
    """What is not done yet."""
    rows = session.execute(
        select(StripeEvent.state, func.count().label("waiting"))
        .where(StripeEvent.state.in_([StripeEventState.PENDING, StripeEventState.FAILED]))
        .group_by(StripeEvent.state)
    )
    counts = {row.state: row.waiting for row in rows}
    return InboxCounts(counts.get(StripeEventState.PENDING, 0), counts.get(StripeEventState.FAILED, 0))
