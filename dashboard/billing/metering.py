"""What is owed to Stripe's meters: claim deltas, freeze them as meter events, send them, mark them.

Claiming and sending are two steps. A claim is one transaction; sending can be repeated for ever, because the
identifier and payload of a meter event never change and Stripe refuses an identifier it has seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, insert, select, text, update
from sqlalchemy.orm import Session

from dashboard.billing.buckets import LEVEL
from dashboard.billing.plans import metered_events
from dashboard.billing.ports import MeterSender, ProviderRefused, ProviderUnavailable
from dashboard.billing.usage_types import LEVELS
from dashboard.database import try_lock_object
from dashboard.models import MeterEvent, MeterEventState, Tenant

# Stripe refuses meter events older than 35 days (docs: "Record usage for billing with the API").
# An hour less leaves time between claim and delivery.
OLDEST = timedelta(days=35) - timedelta(hours=1)
CHUNK = 50


# Owed: the total differs from what was claimed. A level is owed at its first reading too, even a reading of 0.
_OWED = f"""
    r.is_due
    AND CASE WHEN r.{LEVEL} THEN r.events > 0 ELSE r.quantity <> r.claimed END
    AND r.usage_type = ANY(:usage_types)
    AND EXISTS (SELECT FROM billing_periods p WHERE p.tenant_id = r.tenant_id
                AND p.starts_at <= r.bucket_start AND p.ends_at > r.bucket_start)
"""

_DUE_TENANTS = text(
    f"""
    SELECT t.id FROM tenants t
     WHERE t.stripe_customer_id IS NOT NULL AND EXISTS (
        SELECT FROM usage_rollups r
         WHERE r.tenant_id = t.id AND r.bucket_start >= :oldest AND {_OWED})
     ORDER BY t.id
    """
)

_COUNT_OWED = text(
    f"""
    SELECT count(*) FILTER (WHERE r.bucket_start >= :oldest) AS claimable,
           count(*) FILTER (WHERE r.bucket_start < :oldest) AS too_old
      FROM usage_rollups r JOIN tenants t ON t.id = r.tenant_id
     WHERE t.stripe_customer_id IS NOT NULL AND {_OWED}
    """
)

_LOCK_OWED = text(
    f"""
    SELECT r.usage_type, r.bucket_start, r.quantity, r.claimed, r.claim_sequence, r.last_at
      FROM usage_rollups r
     WHERE r.tenant_id = :tenant_id AND r.bucket_start >= :oldest AND {_OWED}
     ORDER BY r.usage_type, r.bucket_start
       FOR UPDATE OF r
    """
)

_RAISE_CLAIM = text(
    """
    UPDATE usage_rollups SET claimed = :claimed, claim_sequence = :sequence
     WHERE tenant_id = :tenant_id AND usage_type = :usage_type AND bucket_start = :bucket_start
    """
)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one chunk of meter events."""

    new: int = 0
    duplicates: int = 0
    rejected: int = 0
    unavailable: str | None = None


def list_due_tenants(session: Session, now: datetime) -> list[int]:
    """The tenants that have something unclaimed."""
    scope = {"oldest": now - OLDEST, "usage_types": list(metered_events(session))}
    return list(session.scalars(_DUE_TENANTS, scope))


@dataclass(frozen=True, slots=True)
class Owed:
    """Buckets that differ from their claim: `too_old` ones no meter will ever count, Stripe refuses them."""

    claimable: int
    too_old: int


def count_owed(session: Session, now: datetime) -> Owed:
    """What is owed to Stripe and not claimed yet, over all tenants."""
    scope = {"oldest": now - OLDEST, "usage_types": list(metered_events(session))}
    return Owed(**session.execute(_COUNT_OWED, scope).mappings().one())


def claim_meter_events(session: Session, tenant_id: int, now: datetime) -> int:
    """Write one meter event for each bucket that differs from its claim, and raise the claim. Answers how many."""
    events = metered_events(session)
    customer_id = session.scalar(select(Tenant.stripe_customer_id).where(Tenant.id == tenant_id))
    if customer_id is None:
        return 0
    scope = {"tenant_id": tenant_id, "oldest": now - OLDEST, "usage_types": list(events)}
    owed = session.execute(_LOCK_OWED, scope).mappings().all()
    if not owed:
        return 0
    rows = [_freeze(dict(bucket), tenant_id, customer_id, events, now) for bucket in owed]
    session.execute(insert(MeterEvent), rows)
    session.execute(
        _RAISE_CLAIM,
        [
            {
                "tenant_id": tenant_id,
                "usage_type": bucket["usage_type"],
                "bucket_start": bucket["bucket_start"],
                "claimed": bucket["quantity"],
                "sequence": bucket["claim_sequence"] + 1,
            }
            for bucket in owed
        ],
    )
    return len(rows)


def _freeze(
    bucket: dict[str, Any], tenant_id: int, customer_id: str, events: dict[str, str], now: datetime
) -> dict[str, Any]:
    """The meter event of one bucket. A sum sends its delta, a level its reading at the time of the reading."""
    is_level = bucket["usage_type"] in LEVELS
    value = bucket["quantity"] if is_level else bucket["quantity"] - bucket["claimed"]
    sequence = bucket["claim_sequence"] + 1
    # The customer id makes it unique across installations that share a Stripe account.
    identifier = f"{customer_id}-{bucket['usage_type']}-{int(bucket['bucket_start'].timestamp())}-{sequence}"
    return {
        "tenant_id": tenant_id,
        "identifier": identifier,
        "usage_type": bucket["usage_type"],
        "bucket_start": bucket["bucket_start"],
        "sequence": sequence,
        "event_name": events[bucket["usage_type"]],
        "payload": {"stripe_customer_id": customer_id, "value": str(value)},
        "value": value,
        "timestamp": bucket["last_at"] if is_level else bucket["bucket_start"],
        "state": MeterEventState.PENDING,
        "claimed_at": now,
    }


def list_pending_tenants(session: Session) -> list[int]:
    """The tenants that have meter events to send."""
    pending = select(MeterEvent.tenant_id).where(MeterEvent.state == MeterEventState.PENDING)
    return list(session.scalars(pending.distinct().order_by(MeterEvent.tenant_id)))


def send_meter_events(session: Session, tenant_id: int, sender: MeterSender, now: datetime) -> Sent | None:
    """Send the next chunk of a tenant's pending events and mark them; None when there is nothing to do here.

    One sender a tenant at a time: Stripe wants one call at a time for a customer and meter. The caller commits
    after each chunk; a crash in between sends some again, which Stripe answers as duplicates.

    When Stripe cannot be reached the chunk ends there and `unavailable` says why; the rest stays pending.
    """
    if not try_lock_object(session, "meter-events", tenant_id):
        return None
    pending = session.execute(
        select(MeterEvent.id, MeterEvent.event_name, MeterEvent.payload, MeterEvent.identifier, MeterEvent.timestamp)
        .where(MeterEvent.tenant_id == tenant_id, MeterEvent.state == MeterEventState.PENDING)
        .order_by(MeterEvent.id)
        .limit(CHUNK)
    ).all()
    if not pending:
        return None
    marks: list[dict[str, Any]] = []
    unavailable = None
    for id_, event_name, payload, identifier, timestamp in pending:
        mark: dict[str, Any] = {"b_id": id_, "state": MeterEventState.SENT, "duplicate": False, "error": None}
        try:
            is_new = sender.send_meter_event(
                event_name=event_name, payload=payload, identifier=identifier, timestamp=timestamp
            )
            mark |= {"duplicate": not is_new, "sent_at": now}
        except ProviderRefused as refusal:
            mark |= {"state": MeterEventState.REJECTED, "error": str(refusal), "sent_at": None}
        except ProviderUnavailable as error:
            unavailable = str(error)
            break
        marks.append(mark)
    if marks:
        _mark(session, tenant_id, marks)
    return Sent(
        new=sum(mark["state"] == MeterEventState.SENT and not mark["duplicate"] for mark in marks),
        duplicates=sum(mark["duplicate"] for mark in marks),
        rejected=sum(mark["state"] == MeterEventState.REJECTED for mark in marks),
        unavailable=unavailable,
    )


def _mark(session: Session, tenant_id: int, marks: list[dict[str, Any]]) -> None:
    statement = (
        update(MeterEvent)
        .where(MeterEvent.tenant_id == tenant_id, MeterEvent.id == bindparam("b_id"))
        .values(
            state=bindparam("state"),
            duplicate=bindparam("duplicate"),
            error=bindparam("error"),
            sent_at=bindparam("sent_at"),
            attempts=MeterEvent.attempts + 1,
        )
    )
    session.connection().execute(statement, marks)
