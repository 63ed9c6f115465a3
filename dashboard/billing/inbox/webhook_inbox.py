"""The webhook inbox: what Stripe tells us is stored once, at once, before anybody thinks about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import Connection, func, null, select, text, update
from sqlalchemy.orm import Session

from dashboard.models import StripeEvent, StripeEventState

# One JSON document instead of a row of parameters each: the statement is the same for one event and for a hundred, and
# payloads go to the server as they came. In the order of ids, so that two that store the same events do not deadlock.
_STORE = text(
    """
    INSERT INTO stripe_events (id, type, object_id, subject, customer_id, api_version, source, note, payload,
                               created_at, received_at, next_attempt_at, state, processed_at)
    SELECT e.id, e.type, e.object_id, e.subject, e.customer_id, e.api_version, :source, e.note, e.payload,
           e.created_at, CAST(:now AS timestamptz), CAST(:now AS timestamptz),
           CASE WHEN e.subject IS NULL THEN 'ignored' ELSE 'pending' END,
           CASE WHEN e.subject IS NULL THEN CAST(:now AS timestamptz) END
      FROM jsonb_to_recordset(CAST(:events AS jsonb))
           AS e (id text, type text, object_id text, subject text, customer_id text, api_version text, note text,
                 payload jsonb, created_at timestamptz)
     ORDER BY e.id
    ON CONFLICT (id) DO NOTHING
    RETURNING id
    """
)


@dataclass(frozen=True, slots=True)
class IncomingEvent:
    """A verified event, read but not judged. `payload` is its JSON; without a `subject` it changes nothing."""

    id: str
    type: str
    object_id: str | None
    subject: str | None
    customer_id: str | None
    api_version: str | None
    note: str | None
    payload: msgspec.Raw
    created_at: datetime


def store_events(
    connection: Connection, events: Sequence[IncomingEvent], now: datetime, *, source: str = "delivery"
) -> set[str]:
    """Store events and answer the ids of the new ones: Stripe delivers at least once.

    What changes nothing here is stored as ignored. Events that come together may repeat each other.
    """
    document = msgspec.json.encode(events).decode()
    rows = connection.execute(_STORE, {"source": source, "now": now, "events": document})
    return {row.id for row in rows}


@dataclass(frozen=True, slots=True)
class InboxCounts:
    """How many events wait for the worker, how many for a customer we do not know, and how many for staff."""

    pending: int
    waiting: int
    failed: int


def count_inbox(session: Session) -> InboxCounts:
    """What is not done yet."""
    # In the words of the small indexes of what is not done: one query over all three states would read the whole inbox.
    unsettled = StripeEvent.state.in_((StripeEventState.WAITING, StripeEventState.FAILED))
    parts = [StripeEvent.state == StripeEventState.PENDING]
    parts += [unsettled & (StripeEvent.state == each) for each in (StripeEventState.WAITING, StripeEventState.FAILED)]
    counts = [select(func.count()).where(part).scalar_subquery() for part in parts]
    return InboxCounts(*session.execute(select(*counts)).one())


def prune_payloads(session: Session, before: datetime, *, limit: int = 5_000) -> int:
    """Empty payload and traceback of events received before; answers how many. The rows stay, to know a late repeat."""
    old = (
        select(StripeEvent.id)
        .where(StripeEvent.payload.is_not(None), StripeEvent.received_at < before)
        .order_by(StripeEvent.received_at)
        .limit(limit)
    )
    pruned = session.execute(
        update(StripeEvent)
        .where(StripeEvent.id.in_(old.scalar_subquery()))
        .values(payload=null(), error=None)  # not the JSON null
        .returning(StripeEvent.id)
    )
    return len(pruned.all())
