"""Taking sent meter events back within a day of their sending, by an adjustment at Stripe.

Where a correction lowers an hour whose events are all young, they are canceled and the right total is claimed anew: the
hour at Stripe then holds what the ledger holds, and no negative value. Three steps, each resumable: ask (marks the
events, so that nobody claims their bucket), cancel at Stripe, settle (the claim falls by what was canceled).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from dashboard.billing.ledger.buckets import LEVEL
from dashboard.billing.metering.owed import IN_PERIOD, scope
from dashboard.billing.ports.meters import MeterSender
from dashboard.billing.ports.providers import ProviderRefused
from dashboard.models import MeterEvent, MeterEventState

# Stripe cancels an event within 24 hours of its receipt; an hour less leaves time to do it.
YOUNG = timedelta(hours=23)
# A bucket told in more events than this is corrected by a negative one: each adjustment is a call.
MOST_EVENTS = 10

# Every event of the bucket that may count is sent, was tried first within a day, never failed to be taken back, and is
# no repair. The period must be open: between the two calls the hour holds too little.
_ASK = text(
    f"""
    UPDATE meter_events e SET cancel_asked_at = :now
      FROM (
        SELECT r.tenant_id, r.usage_type, r.bucket_start
          FROM usage_rollups r JOIN billing_periods p ON {IN_PERIOD}
         WHERE r.tenant_id = ANY(:tenant_ids) AND r.is_due AND NOT r.{LEVEL} AND r.quantity < r.claimed
           AND r.usage_type = ANY(:usage_types)
           AND r.settled = 0 AND p.ends_at > :soon AND r.bucket_start >= :oldest
           AND (SELECT count(*) <= {MOST_EVENTS} AND bool_and(
                        x.state = 'sent' AND x.tried_at > :young AND x.error IS NULL AND x.kind <> 'repair')
                  FROM meter_events x
                 WHERE x.tenant_id = r.tenant_id AND x.usage_type = r.usage_type AND x.bucket_start = r.bucket_start
                   AND x.state NOT IN ('superseded', 'canceled'))
      ) b
     WHERE e.tenant_id = b.tenant_id AND e.usage_type = b.usage_type AND e.bucket_start = b.bucket_start
       AND e.state = 'sent' AND e.cancel_asked_at IS NULL
    """
)

_LOWER_CLAIM = text(
    """
    UPDATE usage_rollups SET claimed = claimed - :value, claim_sequence = claim_sequence + 1
     WHERE tenant_id = :tenant_id AND usage_type = :usage_type AND bucket_start = :bucket_start
    """
)


def ask_to_take_back(
    session: Session, tenant_ids: Sequence[int], now: datetime, usage_types: Sequence[str] | None = None
) -> None:
    """Mark the events of these tenants that a correction takes back. Commit before `take_back`."""
    more = {"tenant_ids": list(tenant_ids), "young": now - YOUNG, "soon": now + timedelta(hours=1)}
    session.execute(_ASK, scope(session, now, usage_types, **more))


def list_asked(session: Session, tenant_ids: Sequence[int]) -> list[tuple[int, int]]:
    """(tenant, event) of these tenants that are to be taken back, those that an earlier run left included."""
    rows = session.execute(
        select(MeterEvent.tenant_id, MeterEvent.id)
        .where(
            MeterEvent.tenant_id.in_(tenant_ids),
            MeterEvent.cancel_asked_at.is_not(None),
            MeterEvent.state == MeterEventState.SENT,
        )
        .order_by(MeterEvent.tenant_id, MeterEvent.id)
    )
    return [(row.tenant_id, row.id) for row in rows]


def take_back(session: Session, tenant_id: int, event_id: int, sender: MeterSender) -> bool:
    """Cancel one marked event at Stripe and lower its bucket's claim. False when Stripe would not: then the difference
    is claimed as a negative event. The caller commits; before that, doing it again has the same effect.

    Raises `ProviderUnavailable`.
    """
    event = session.scalars(
        select(MeterEvent)
        .where(
            MeterEvent.tenant_id == tenant_id,
            MeterEvent.id == event_id,
            MeterEvent.state == MeterEventState.SENT,
            MeterEvent.cancel_asked_at.is_not(None),
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()
    if event is None:
        return False
    try:
        sender.cancel(event.event_name, event.identifier)
    except ProviderRefused as refusal:
        event.cancel_asked_at, event.error = None, f"Not taken back: {refusal}"
        session.flush()
        return False
    mark_canceled(session, event)
    return True


def mark_canceled(session: Session, event: MeterEvent) -> None:
    """Note that an event does not count at Stripe any more: what it told is owed again."""
    session.execute(
        update(MeterEvent)
        .where(MeterEvent.tenant_id == event.tenant_id, MeterEvent.id == event.id)
        .values(state=MeterEventState.CANCELED)
    )
    session.execute(
        _LOWER_CLAIM,
        {
            "value": event.value,
            "tenant_id": event.tenant_id,
            "usage_type": event.usage_type,
            "bucket_start": event.bucket_start,
        },
    )
    session.expire(event)
