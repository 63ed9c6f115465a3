"""Mend and resend: a batch that Stripe does not count goes again under another identifier, once.

Stripe remembers an identifier for a day and answers "exists already" for a corrected event of the same one, so a mended
batch needs a new one (superserve-ai/sandbox#376).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.billing.errors import NotFound, NotNow
from dashboard.billing.ledger.usage_types import LEVELS
from dashboard.billing.metering.owed import FINAL_INVOICE, IN_PERIOD, OLDEST
from dashboard.billing.metering.settling import Span, claimed_in, propose_difference
from dashboard.billing.plans.plans import metered_events
from dashboard.models import BillingProposal, MeterEvent, MeterEventKind, MeterEventState, Tenant

# Sent ones too: a batch that was taken and is missing in Stripe's totals.
RESENDABLE = (MeterEventState.REJECTED, MeterEventState.SENT)

_SPAN = text(
    f"""
    SELECT p.starts_at, p.ends_at, p.plan, p.subscription_id, ({FINAL_INVOICE} LIMIT 1) AS invoice_id
      FROM usage_rollups r JOIN billing_periods p ON {IN_PERIOD}
     WHERE r.tenant_id = :tenant_id AND r.usage_type = :usage_type AND r.bucket_start = :bucket_start
    """
)
_NOTE_SETTLED = text(
    """
    UPDATE usage_rollups SET settled = settled + :value
     WHERE tenant_id = :tenant_id AND usage_type = :usage_type AND bucket_start = :bucket_start
    """
)


@dataclass(frozen=True, slots=True)
class Mended:
    """What took a batch's place: another event, or a proposal where no meter can be told any more.

    Neither where what it told is of no consequence: a period that is not billed, or a reading that was not the last.
    """

    event: MeterEvent | None = None
    proposal: BillingProposal | None = None


def resend(session: Session, tenant_id: int, event_id: int, now: datetime, *, reason: str = "lost_batch") -> Mended:
    """Supersede a batch that does not count at Stripe by a new event, or by a proposal for `reason` where its period's
    invoice is final or it is older than Stripe's meters accept. Asked again, it answers what took the batch's place.

    Raises `NotFound`, and `NotNow` for a batch in another state or a tenant without a customer or meter.
    """
    event = _held(session, tenant_id, event_id)
    if event.state == MeterEventState.SUPERSEDED:
        return Mended(_successor(session, event))
    if event.state not in RESENDABLE or event.cancel_asked_at is not None or event.kind == MeterEventKind.REPAIR:
        raise NotNow(f"the batch is {event.state}: only a refused or a lost one is sent again")
    span = _span(session, event)
    is_too_old = event.timestamp < now - OLDEST
    if span is not None and (span.invoice_id is not None or is_too_old):
        event.state = MeterEventState.SUPERSEDED
        return Mended(proposal=_propose(session, event, span, "too_old" if is_too_old else reason, now))
    if is_too_old:
        event.state = MeterEventState.SUPERSEDED
        session.flush()
        return Mended()
    mended = _again(session, event, now)
    event.state = MeterEventState.SUPERSEDED
    session.add(mended)
    session.flush()
    return Mended(mended)


def list_rejected(session: Session, *, tenant_id: int | None = None, limit: int = 100) -> list[MeterEvent]:
    """Batches that Stripe refused, of one tenant or of all, oldest first."""
    rows = select(MeterEvent).where(MeterEvent.state == MeterEventState.REJECTED)
    if tenant_id is not None:
        rows = rows.where(MeterEvent.tenant_id == tenant_id)
    return list(session.scalars(rows.order_by(MeterEvent.id).limit(limit)))


def confirm(session: Session, tenant_id: int, event_id: int, now: datetime) -> None:
    """Note that Stripe counts a batch whose answer was lost. Nothing where it is noted already.

    Raises `NotFound`, and `NotNow` for a batch that was refused.
    """
    event = _held(session, tenant_id, event_id)
    if event.state == MeterEventState.SENT:
        return
    if event.state != MeterEventState.REJECTED or event.error_code != "unconfirmed":
        raise NotNow(f"the batch is {event.state}: only one whose answer was lost can be confirmed")
    event.state, event.error, event.error_code = MeterEventState.SENT, None, None
    event.duplicate, event.sent_at = True, now
    session.flush()


def _held(session: Session, tenant_id: int, event_id: int) -> MeterEvent:
    event = session.scalars(
        select(MeterEvent)
        .where(MeterEvent.tenant_id == tenant_id, MeterEvent.id == event_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()
    if event is None:
        raise NotFound(f"no meter event {event_id}")
    return event


def _successor(session: Session, event: MeterEvent) -> MeterEvent | None:
    return session.scalars(
        select(MeterEvent).where(MeterEvent.tenant_id == event.tenant_id, MeterEvent.replaces_id == event.id)
    ).first()


def _again(session: Session, event: MeterEvent, now: datetime) -> MeterEvent:
    """The same value at the same moment, for the customer and the meter of today, under an identifier of its own."""
    customer_id = session.scalar(select(Tenant.stripe_customer_id).where(Tenant.id == event.tenant_id))
    if customer_id is None:
        raise NotNow("the tenant has no customer at Stripe: it waits until it has one")
    event_name = metered_events(session).get(event.usage_type)
    if event_name is None:
        raise NotNow("there is no meter for this usage: run flask stripe setup")
    bucket = int(event.bucket_start.timestamp())
    return MeterEvent(
        tenant_id=event.tenant_id,
        # The replaced event's id makes it the only one that can take its place.
        identifier=f"{customer_id}-{event.tenant_id}-{event.usage_type}-{bucket}-{event.sequence}r{event.id}",
        usage_type=event.usage_type,
        bucket_start=event.bucket_start,
        sequence=event.sequence,
        event_name=event_name,
        payload={"stripe_customer_id": customer_id, "value": str(event.value)},
        value=event.value,
        timestamp=event.timestamp,
        state=MeterEventState.PENDING,
        kind=MeterEventKind.RESEND,
        replaces_id=event.id,
        claimed_at=now,
    )


def _span(session: Session, event: MeterEvent) -> Span | None:
    where = {"tenant_id": event.tenant_id, "usage_type": event.usage_type, "bucket_start": event.bucket_start}
    row = session.execute(_SPAN, where).first()
    return Span(row.starts_at, row.ends_at, row.plan, row.subscription_id, row.invoice_id) if row else None


def _propose(session: Session, event: MeterEvent, span: Span, reason: str, now: datetime) -> BillingProposal | None:
    """Propose what the batch would have told. Its claim stays; what no event tells of it any more is noted as settled.

    The last reading of a level counts, so one that is lost is money only if it was the last.
    """
    after = claimed_in(session, event.tenant_id, event.usage_type, span)
    is_level = event.usage_type in LEVELS
    before = _told_before(session, event, span) if is_level else after - event.value
    if not is_level:
        session.execute(
            _NOTE_SETTLED,
            {
                "value": event.value,
                "tenant_id": event.tenant_id,
                "usage_type": event.usage_type,
                "bucket_start": event.bucket_start,
            },
        )
    session.flush()
    return propose_difference(session, event.tenant_id, event.usage_type, span, reason, before, after, now)


def _told_before(session: Session, event: MeterEvent, span: Span) -> int:
    """The last reading of the period that Stripe was told without this one."""
    rows = session.scalars(
        select(MeterEvent.value)
        .where(
            MeterEvent.tenant_id == event.tenant_id,
            MeterEvent.usage_type == event.usage_type,
            MeterEvent.bucket_start >= span.starts_at,
            MeterEvent.bucket_start < span.ends_at,
            MeterEvent.state == MeterEventState.SENT,
            MeterEvent.id != event.id,
        )
        .order_by(MeterEvent.timestamp.desc(), MeterEvent.id.desc())
        .limit(1)
    )
    return rows.first() or 0
