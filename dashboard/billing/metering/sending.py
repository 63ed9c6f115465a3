"""What is to be sent, and what became of it: read and marked in chunks over many tenants.

The calls themselves are made in between, outside any transaction (`delivery`). Each event is noted as tried before it
is handed to Stripe, because Stripe knows an identifier again for a day only: one whose answer was lost longer ago is
not sent again blindly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.billing.metering.delivery import Delivered, Outcome
from dashboard.billing.ports.meters import EventToSend
from dashboard.models import MeterEvent, MeterEventState

# Stripe enforces identifiers for "at least 24 hours"; an hour less leaves time for the call.
REMEMBERED = timedelta(hours=23)
UNCONFIRMED = "unconfirmed"

_PENDING = text(
    """
    SELECT e.tenant_id, e.id, e.event_name, e.payload, e.identifier, e.timestamp
      FROM unnest(CAST(:tenant_ids AS bigint[])) AS asked (id)
     CROSS JOIN LATERAL (
        SELECT tenant_id, id, event_name, payload, identifier, timestamp FROM meter_events
         WHERE tenant_id = asked.id AND state = 'pending'
           AND (CAST(:usage_types AS text[]) IS NULL OR usage_type = ANY(:usage_types))
         ORDER BY id LIMIT :each) e
     ORDER BY e.tenant_id, e.id LIMIT :most
    """
)

_TRY = text(
    """
    UPDATE meter_events e SET attempts = e.attempts + 1, tried_at = COALESCE(e.tried_at, :now)
      FROM unnest(CAST(:tenant_ids AS bigint[]), CAST(:ids AS bigint[])) AS b (tenant_id, id)
     WHERE e.tenant_id = b.tenant_id AND e.id = b.id AND e.state = 'pending'
    """
)

_UNTRY = text(
    """
    UPDATE meter_events e SET tried_at = NULL
      FROM unnest(CAST(:tenant_ids AS bigint[]), CAST(:ids AS bigint[])) AS b (tenant_id, id)
     WHERE e.tenant_id = b.tenant_id AND e.id = b.id AND e.state = 'pending' AND e.tried_at = :tried_at
    """
)

_GIVE_UP = text(
    f"""
    UPDATE meter_events e
       SET state = 'rejected', error_code = '{UNCONFIRMED}', error = :error
      FROM unnest(CAST(:tenant_ids AS bigint[])) AS b (tenant_id)
     WHERE e.tenant_id = b.tenant_id AND e.state = 'pending' AND e.tried_at < :forgotten
    """
)

# An error report may have come before the mark: what it rejected stays rejected.
_MARK = text(
    """
    UPDATE meter_events e
       SET state = b.state, duplicate = b.duplicate, error = b.error, error_code = b.code,
           sent_at = CASE WHEN b.state = 'sent' THEN CAST(:now AS timestamptz) END
      FROM unnest(CAST(:tenant_ids AS bigint[]), CAST(:ids AS bigint[]), CAST(:states AS text[]),
                  CAST(:duplicates AS boolean[]), CAST(:errors AS text[]), CAST(:codes AS text[]))
           AS b (tenant_id, id, state, duplicate, error, code)
     WHERE e.tenant_id = b.tenant_id AND e.id = b.id AND e.state = 'pending'
    """
)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one chunk of meter events; `unavailable` is why some of it is pending still."""

    new: int = 0
    duplicates: int = 0
    rejected: int = 0
    unavailable: str | None = None


def list_pending_tenants(
    session: Session, *, after: int = 0, limit: int | None = None, usage_types: Sequence[str] | None = None
) -> list[int]:
    """The tenants that have meter events to send, in order of their ids."""
    pending = select(MeterEvent.tenant_id).where(
        MeterEvent.state == MeterEventState.PENDING, MeterEvent.tenant_id > after
    )
    if usage_types is not None:
        pending = pending.where(MeterEvent.usage_type.in_(usage_types))
    return list(session.scalars(pending.distinct().order_by(MeterEvent.tenant_id).limit(limit)))


def take_pending(
    session: Session,
    tenant_ids: Sequence[int],
    now: datetime,
    *,
    each: int,
    most: int,
    usage_types: Sequence[str] | None = None,
) -> list[EventToSend]:
    """The next pending events of these tenants, at most `each` of one tenant and `most` in all, noted as tried.

    The caller holds the tenants' locks ("meter-events", id) and commits before it sends. An event that was tried more
    than a day ago goes to staff instead.
    """
    ids = list(tenant_ids)
    error = "It was sent more than a day ago, the answer was lost, and Stripe does not know its identifier again."
    session.execute(_GIVE_UP, {"tenant_ids": ids, "forgotten": now - REMEMBERED, "error": error})
    rows = session.execute(
        _PENDING,
        {"tenant_ids": ids, "each": each, "most": most, "usage_types": list(usage_types) if usage_types else None},
    ).all()
    events = [EventToSend(*row) for row in rows]
    if events:
        session.execute(_TRY, {"now": now, **_keys(events)})
    return events


def mark_outcomes(session: Session, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Note what Stripe said, in one statement."""
    if not outcomes:
        return
    session.execute(
        _MARK,
        {
            **_keys([outcome.event for outcome in outcomes]),
            "states": ["sent" if outcome.error is None else "rejected" for outcome in outcomes],
            "duplicates": [outcome.is_duplicate for outcome in outcomes],
            "errors": [outcome.error for outcome in outcomes],
            "codes": [outcome.code for outcome in outcomes],
            "now": now,
        },
    )


def mark_untried(session: Session, events: Sequence[EventToSend], tried_at: datetime) -> None:
    """Note of events noted as tried first at `tried_at` that they did surely not reach Stripe."""
    if events:
        session.execute(_UNTRY, {"tried_at": tried_at, **_keys(events)})


def summarize(delivered: Delivered) -> Sent:
    """A chunk's outcomes as numbers."""
    outcomes = delivered.outcomes
    return Sent(
        new=sum(outcome.error is None and not outcome.is_duplicate for outcome in outcomes),
        duplicates=sum(outcome.is_duplicate for outcome in outcomes),
        rejected=sum(outcome.error is not None for outcome in outcomes),
        unavailable=delivered.unavailable,
    )


def _keys(events: Sequence[EventToSend]) -> dict[str, list[int]]:
    return {"tenant_ids": [event.tenant_id for event in events], "ids": [event.id for event in events]}
