"""What is to be done about stored events: which are due, and what became of those that were tried."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput, NotFound
from dashboard.models import StripeEvent, StripeEventState, Tenant

# Seconds before the next attempt: about a day, longer than Stripe was ever away. Then staff look.
PAUSES = (5, 20, 80, 320, 1_280, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600)
MAX_ATTEMPTS = len(PAUSES) + 1
KNOWN_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class DueEvent:
    """A pending event: its id, its type, what is fetched for it, and how often that was tried."""

    id: str
    type: str
    subject: str
    attempts: int


_DUE = select(StripeEvent.id, StripeEvent.type, StripeEvent.subject, StripeEvent.attempts).where(
    StripeEvent.state == StripeEventState.PENDING, StripeEvent.subject.is_not(None)
)


def list_due_events(session: Session, now: datetime, *, limit: int) -> list[DueEvent]:
    """The events whose time has come, those that waited longest first."""
    rows = session.execute(
        _DUE.where(StripeEvent.next_attempt_at <= now).order_by(StripeEvent.next_attempt_at).limit(limit)
    )
    return [_due(row) for row in rows]


def _due(row: Row[str, str, str | None, int]) -> DueEvent:
    return DueEvent(row.id, row.type, row.subject or "", row.attempts)


def has_due_events(session: Session, now: datetime) -> bool:
    """Whether there is anything to do."""
    return bool(list_due_events(session, now, limit=1))


def list_pending_of(session: Session, subjects: Sequence[str]) -> list[DueEvent]:
    """Every pending event about these subjects, due or not: one fetch settles them all."""
    return [_due(row) for row in session.execute(_DUE.where(StripeEvent.subject.in_(subjects)))]


def mark_settled(
    session: Session, ids: Sequence[str], state: StripeEventState, now: datetime, customer_id: str | None = None
) -> None:
    """Note that these events are done, or wait for this customer to appear."""
    values: dict[str, object] = {"state": state, "processed_at": now, "error": None}
    if state == StripeEventState.WAITING:
        values |= {"processed_at": None, "customer_id": customer_id}
    session.execute(
        update(StripeEvent)
        .where(StripeEvent.id.in_(ids), StripeEvent.state == StripeEventState.PENDING)
        .values(**values, attempts=StripeEvent.attempts + 1)
        .execution_options(synchronize_session=False)
    )


def mark_attempts_failed(session: Session, events: Sequence[DueEvent], error: str, now: datetime) -> None:
    """Note a failed attempt: each is tried again after a pause, a random part of it so that not all come at once.

    After the last pause an event waits for staff.
    """
    rows = []
    for event in events:
        pause = PAUSES[event.attempts] if event.attempts < len(PAUSES) else None
        state = StripeEventState.FAILED if pause is None else StripeEventState.PENDING
        after = now + timedelta(seconds=(pause or 0) * random.uniform(0.75, 1.25))  # noqa: S311 (no secret)
        rows.append({"event": event.id, "to": state.value, "after": after, "why": error, "tries": event.attempts + 1})
    if rows:
        session.connection().execute(
            update(StripeEvent.__table__)  # type: ignore[arg-type]
            .where(StripeEvent.id == bindparam("event"), StripeEvent.state == StripeEventState.PENDING)
            .values(
                state=bindparam("to"),
                next_attempt_at=bindparam("after"),
                error=bindparam("why"),
                attempts=bindparam("tries"),
            ),
            rows,
        )


def release_waiting(session: Session, now: datetime) -> int:
    """Take up again the events whose customer has become a tenant's; answers how many.

    Two queries and no join, because tenants may live on other nodes than the inbox.
    """
    waiting = StripeEvent.state == StripeEventState.WAITING
    customers = session.scalars(select(StripeEvent.customer_id).where(waiting).distinct()).all()
    known: list[str] = []
    for n in range(0, len(customers), KNOWN_AT_ONCE):
        some = [each for each in customers[n : n + KNOWN_AT_ONCE] if each]
        known += session.scalars(select(Tenant.stripe_customer_id).where(Tenant.stripe_customer_id.in_(some))).all()  # type: ignore[arg-type]
    if not known:
        return 0
    return _take_up(session, now, waiting, StripeEvent.customer_id.in_(known))


def replay_event(session: Session, event_id: str, subject: str | None, now: datetime) -> None:
    """Process an event again whatever its state; `subject` is what to fetch, or None to keep what was.

    Raises `NotFound`, and `InvalidInput` for an event for which nothing is fetched.
    """
    event = session.get(StripeEvent, event_id)
    if event is None:
        raise NotFound(f"no Stripe event {event_id}")
    subject = subject or event.subject
    if subject is None:
        raise InvalidInput(
            "event", f"{event_id} must be of a type that changes something here, and {event.type} is not"
        )
    _take_up(session, now, StripeEvent.id == event_id, subject=subject)


def replay_failed(session: Session, now: datetime) -> int:
    """Process every failed event again; answers how many."""
    return _take_up(session, now, StripeEvent.state == StripeEventState.FAILED)


def _take_up(session: Session, now: datetime, *which: object, **more: object) -> int:
    again = session.execute(
        update(StripeEvent)
        .where(*which)  # type: ignore[arg-type]
        .values(state=StripeEventState.PENDING, attempts=0, next_attempt_at=now, processed_at=None, **more)
        .returning(StripeEvent.id)
        .execution_options(synchronize_session=False)
    )
    return len(again.all())
