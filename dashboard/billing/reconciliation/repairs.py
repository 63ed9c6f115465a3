"""Repairing a finding, once: under the tenant's lock, and only while it is open."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dashboard.billing import metering
from dashboard.billing.errors import NotFound, NotNow
from dashboard.billing.ledger.rollups import rebuild_hour
from dashboard.billing.ledger.usage_types import LEVELS
from dashboard.billing.metering.settling import Span, propose_difference
from dashboard.billing.plans.plans import metered_events
from dashboard.billing.ports.providers import ProviderRefused
from dashboard.billing.reconciliation.facts import find_period
from dashboard.billing.reconciliation.parts import HOUR, Kind, Repair, minute_of
from dashboard.database import lock_object
from dashboard.models import (
    BillingPeriod,
    FindingState,
    MeterEvent,
    MeterEventKind,
    MeterEventState,
    ReconciliationCheck,
    ReconciliationFinding,
    Tenant,
    UsageRollup,
)


class Canceler(Protocol):
    """Takes a meter event back that was sent within a day.

    Raises `ProviderRefused` and `ProviderUnavailable`.
    """

    def cancel(self, event_name: str, identifier: str) -> None: ...


def find_finding(session: Session, tenant_id: int, finding_id: int) -> ReconciliationFinding:
    """One finding of this tenant.

    Raises `NotFound`.
    """
    found = session.get(ReconciliationFinding, (tenant_id, finding_id), populate_existing=True)
    if found is None:
        raise NotFound(f"no finding {finding_id}")
    return found


def repair(
    session: Session,
    canceler: Canceler,
    tenant_id: int,
    finding_id: int,
    *,
    by: str,
    seen_since: datetime,
    now: datetime,
) -> bool:
    """Do the one thing that puts an open finding right, and note who did; False where it is not open.

    Look at its period before (`checking`): a finding that was not seen since `seen_since` is not repaired, because what
    is missing may be on its way. Events that this writes are sent by the next sync. Raises `NotFound`, `NotNow` and
    `ProviderUnavailable`.
    """
    lock_object(session, "reconciliation-of", tenant_id)
    finding = find_finding(session, tenant_id, finding_id)
    if finding.state != FindingState.OPEN:
        return False
    if finding.seen_at < seen_since:
        raise NotNow("something of its hour was sent lately, and Stripe is still adding up: try again in an hour")
    finding.outcome = _do(session, canceler, finding, now)
    finding.state, finding.repaired_at, finding.repaired_by = FindingState.REPAIRED, now, by
    session.execute(
        update(BillingPeriod)
        .where(BillingPeriod.tenant_id == tenant_id, BillingPeriod.starts_at == finding.period_start)
        .values(check_due_at=now)
    )
    session.flush()
    return True


def _do(session: Session, canceler: Canceler, finding: ReconciliationFinding, now: datetime) -> str:
    """The repair itself; answers what was done."""
    if finding.repair == Repair.CONFIRM and finding.meter_event_id:
        metering.confirm(session, finding.tenant_id, finding.meter_event_id, now)
        return "Noted as sent"
    if finding.kind in {Kind.DROPPED, Kind.REFUSED} and finding.meter_event_id:
        return _resend(session, finding, finding.meter_event_id, now)
    match finding.repair:
        case Repair.CANCEL:
            return _cancel(session, canceler, finding, now)
        case Repair.ADJUST:
            return _adjust(session, finding, now)
        case Repair.REBUILD:
            return _rebuild(session, finding)
        case Repair.RECLAIM:
            return _reclaim(session, finding)
    return _propose(session, finding, now)


def _resend(session: Session, finding: ReconciliationFinding, event_id: int, now: datetime) -> str:
    mended = metering.resend(session, finding.tenant_id, event_id, now)
    if mended.event is not None:
        return f"Sent again as {mended.event.identifier}"
    return f"Proposal {mended.proposal.id}" if mended.proposal else "Nothing to bill"


def _cancel(session: Session, canceler: Canceler, finding: ReconciliationFinding, now: datetime) -> str:
    """Take an extra batch back; where Stripe does it no more, tell the difference."""
    event = session.get_one(MeterEvent, (finding.tenant_id, finding.meter_event_id), populate_existing=True)
    try:
        canceler.cancel(event.event_name, event.identifier)
    except ProviderRefused:
        return _adjust(session, finding, now)
    event.state, event.cancel_asked_at = MeterEventState.CANCELED, now
    return "Taken back at Stripe"


def _adjust(session: Session, finding: ReconciliationFinding, now: datetime) -> str:
    """Tell Stripe the difference of an hour (of a level: the value it should have), in an event that tells no usage."""
    tenant_id, usage_type = finding.tenant_id, finding.usage_type
    period = find_period(session, tenant_id, finding.period_start)
    customer_id = session.scalar(select(Tenant.stripe_customer_id).where(Tenant.id == tenant_id))
    event_name = metered_events(session).get(usage_type)
    if period is None or customer_id is None or event_name is None or finding.hour is None:
        raise NotNow("the tenant has no customer, or the usage type no meter, at Stripe")
    bucket = max(finding.hour, period.start)
    is_level = usage_type in LEVELS
    value = finding.expected if is_level else finding.expected - finding.found
    # The last reading of an hour counts: this one comes after any other.
    last = min(finding.hour + HOUR, minute_of(period.end), now + timedelta(seconds=1)) - timedelta(seconds=1)
    event = MeterEvent(
        tenant_id=tenant_id,
        # Of the form of other batches, so that an error report finds its way home.
        identifier=f"{customer_id}-{tenant_id}-{usage_type}-{int(bucket.timestamp())}-f{finding.id}x{finding.times}",
        usage_type=usage_type,
        bucket_start=bucket,
        sequence=0,
        event_name=event_name,
        payload={"stripe_customer_id": customer_id, "value": str(value)},
        value=value,
        timestamp=max(last, bucket) if is_level else bucket,
        state=MeterEventState.PENDING,
        kind=MeterEventKind.REPAIR,
        claimed_at=now,
    )
    session.add(event)
    session.flush()
    return f"Told {value:,} as {event.identifier}"


def _rebuild(session: Session, finding: ReconciliationFinding) -> str:
    if finding.hour is not None:
        rebuild_hour(session, finding.tenant_id, finding.hour)
    return "Added up again from the ledger"


def _reclaim(session: Session, finding: ReconciliationFinding) -> str:
    """Lower (or raise) a bucket's claim to what its batches tell: the rest is owed again."""
    session.execute(
        update(UsageRollup)
        .where(
            UsageRollup.tenant_id == finding.tenant_id,
            UsageRollup.usage_type == finding.usage_type,
            UsageRollup.bucket_start == finding.hour,
        )
        .values(claimed=UsageRollup.settled + finding.found, claim_sequence=UsageRollup.claim_sequence + 1)
    )
    return f"Claimed anew from {finding.found:,}"


def _propose(session: Session, finding: ReconciliationFinding, now: datetime) -> str:
    """Propose the units that the period's invoice lacks, or bills too much, beside what is proposed already."""
    tenant_id, usage_type = finding.tenant_id, finding.usage_type
    period = find_period(session, tenant_id, finding.period_start)
    check = session.get(ReconciliationCheck, (tenant_id, finding.period_start, usage_type), populate_existing=True)
    if period is None or check is None:
        raise NotNow("the period was cut anew: look again")
    lacking = finding.expected - finding.found
    reason = "lost_batch" if lacking > 0 else "double_batch"
    if finding.kind == Kind.INVOICE:
        reason = "late" if lacking > 0 else "correction"
    before = (check.invoiced or 0) + check.proposed
    span = Span(period.start, period.end, period.plan, period.subscription_id, check.invoice_id)
    proposal = propose_difference(session, tenant_id, usage_type, span, reason, before, before + lacking, now)
    return f"Proposal {proposal.id}" if proposal else "Nothing to bill"
