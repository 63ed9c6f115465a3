"""Reconciling one billing period: what to ask Stripe for, and what the answer means.

Three steps, so that no transaction waits for Stripe: `plan_look`, then the caller asks Stripe, then `conclude`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.ports.meter_reading import MeterReader
from dashboard.billing.reconciliation.comparison import compare
from dashboard.billing.reconciliation.facts import Period, find_period, read_subjects
from dashboard.billing.reconciliation.findings import store_checks, store_findings
from dashboard.billing.reconciliation.parts import HOUR, hour_of, minute_of
from dashboard.database import lock_object
from dashboard.models import (
    BillingPeriod,
    CheckState,
)

# Usage that happened longer ago no meter takes: a day less than Stripe's 35 leaves time to send a repair.
OLDEST = timedelta(days=34)
SOON, LATER = timedelta(minutes=55), timedelta(hours=23)


@dataclass(frozen=True, slots=True)
class Look:
    """What to ask Stripe for: the meters of a customer in `[start, stop)`, by usage type."""

    period: Period
    customer_id: str
    meters: Mapping[str, str]
    start: datetime
    stop: datetime
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Concluded:
    """What a look came to: usage types by state, how many findings are new, and the ids of those that are open."""

    states: Mapping[str, CheckState]
    new_findings: int
    open_findings: tuple[int, ...]

    @property
    def state(self) -> CheckState:
        """The worst of them."""
        found = set(self.states.values())
        return next((each for each in (CheckState.DIFFERENT, CheckState.WAITING) if each in found), CheckState.EQUAL)


def list_due_periods(
    session: Session, now: datetime, *, after: tuple[int, datetime] | None = None, limit: int = 100
) -> list[tuple[int, datetime]]:
    """(tenant, start) of periods to reconcile, in that order; `after` is the last one of the page before."""
    row = BillingPeriod
    due = select(row.tenant_id, row.starts_at).where(
        row.check_due_at <= now, row.starts_at <= now, row.ends_at > row.starts_at
    )
    if after is not None:
        tenant_id, start = after
        due = due.where(row.tenant_id >= tenant_id, or_(row.tenant_id > tenant_id, row.starts_at > start))
    return [(found.tenant_id, found.starts_at) for found in session.execute(due.order_by(*_KEY).limit(limit))]


_KEY = (BillingPeriod.tenant_id, BillingPeriod.starts_at)


# An open proposal grows with usage that comes late. Proposals wait for staff, so there are few open ones.
_REVIVE = text(
    """
    UPDATE billing_periods p SET check_due_at = :now
      FROM billing_proposals b
     WHERE b.state = 'open' AND b.tenant_id = p.tenant_id AND b.period_start >= p.starts_at
       AND b.period_start < p.ends_at AND p.check_due_at IS NULL
       AND NOT EXISTS (SELECT FROM reconciliation_checks c
                        WHERE c.tenant_id = p.tenant_id AND c.period_start = p.starts_at
                          AND c.usage_type = b.usage_type AND c.checked_at > b.created_at AND c.checked_at > :lately)
    """
)


def revive_periods(session: Session, now: datetime) -> None:
    """Make settled periods due that money was proposed for since, or that still wait for staff to decide."""
    session.execute(_REVIVE, {"now": now, "lately": now - LATER})


def list_periods_of(
    session: Session, now: datetime, *, tenant_id: int | None = None, day: date | None = None
) -> list[tuple[int, datetime]]:
    """(tenant, start) of begun periods: of one tenant, of one day (UTC), or else of all that are not settled yet."""
    row = BillingPeriod
    wanted = select(row.tenant_id, row.starts_at).where(row.starts_at <= now, row.ends_at > row.starts_at)
    if tenant_id is not None:
        wanted = wanted.where(row.tenant_id == tenant_id)
    if day is not None:
        midnight = datetime.combine(day, time(), UTC)
        wanted = wanted.where(row.starts_at < midnight + timedelta(days=1), row.ends_at > midnight)
    if tenant_id is None and day is None:
        wanted = wanted.where(row.check_due_at.is_not(None))
    return [(found.tenant_id, found.starts_at) for found in session.execute(wanted.order_by(*_KEY))]


_CUSTOMER_AND_METERS = text(
    """
    SELECT t.stripe_customer_id AS customer_id, m.usage_type, m.meter_id
      FROM tenants t LEFT JOIN catalog_meters m ON true
     WHERE t.id = :tenant_id AND t.stripe_customer_id IS NOT NULL
    """
)


def plan_look(
    session: Session, tenant_id: int, start: datetime, now: datetime, usage_type: str | None = None
) -> Look | None:
    """What to ask Stripe for about the period that begins at `start`, of all its meters or of one.

    None where there is nothing to ask.
    """
    period = find_period(session, tenant_id, start)
    known = session.execute(_CUSTOMER_AND_METERS, {"tenant_id": tenant_id}).all()
    if period is None or not known:
        return None
    # Of a running period only the hours so far: Stripe answers each hour that it is asked for.
    stop = min(minute_of(period.end), hour_of(now) + 2 * HOUR)
    first = minute_of(period.start)
    meters = {
        row.usage_type: row.meter_id
        for row in known
        if row.usage_type in USAGE_TYPES and usage_type in {None, row.usage_type}
    }
    return Look(period, known[0].customer_id, meters, first, stop, usage_type is None) if first < stop else None


def fetch_hours(reader: MeterReader, look: Look) -> dict[str, Mapping[datetime, int]]:
    """What Stripe's meters hold, by usage type and hour.

    Raises `ProviderUnavailable` and `ProviderRefused`.
    """
    return {
        name: reader.fetch_meter_hours(
            meter_id=meter_id, customer_id=look.customer_id, start=look.start, stop=look.stop
        )
        for name, meter_id in look.meters.items()
    }


def conclude(
    session: Session,
    look: Look,
    hours: Mapping[str, Mapping[datetime, int]],
    *,
    looked_at: datetime,
    delay: timedelta,
    now: datetime,
) -> Concluded | None:
    """Compare, keep the checks and findings, and say when to look again.

    `looked_at` is when Stripe was asked, `delay` how long its summaries may lag behind. None where the period has
    changed meanwhile: it stays due.
    """
    tenant_id = look.period.tenant_id
    lock_object(session, "reconciliation-of", tenant_id)
    period = find_period(session, tenant_id, look.period.start)
    if period is None or (period.end != look.period.end):
        return None
    settled_by = looked_at - delay
    subjects = read_subjects(session, period, hours, is_thorough=period.end <= now)
    compared = [
        (subject, compare(subject, now=now, settled_by=settled_by, oldest=now - OLDEST)) for subject in subjects
    ]
    kept = store_findings(session, tenant_id, compared, settled_by=settled_by, now=now)
    store_checks(session, tenant_id, compared, verified_at=looked_at, now=now)
    states = {subject.usage_type: comparison.state for subject, comparison in compared}
    concluded = Concluded(states, kept.new, kept.open_ids)
    if look.is_whole:
        _plan_next(session, period, concluded.state, now)
    session.execute(_FORGET_GONE, {"tenant_id": tenant_id})
    return concluded


def _plan_next(session: Session, period: Period, state: CheckState, now: datetime) -> None:
    """Once a day while a period runs, then each hour until all is equal and the invoice is final."""
    is_far = state == CheckState.WAITING and now + LATER < period.end
    due = None if state == CheckState.EQUAL else now + (LATER if is_far else SOON)
    session.execute(_PLAN_NEXT, {"tenant_id": period.tenant_id, "start": period.start, "due": due})


_PLAN_NEXT = text("UPDATE billing_periods SET check_due_at = :due WHERE tenant_id = :tenant_id AND starts_at = :start")


# Checks and findings of a period that turned out to be cut otherwise: the cut ones are checked by themselves.
_FORGET_GONE = text(
    """
    WITH known AS (
        SELECT starts_at FROM billing_periods WHERE tenant_id = :tenant_id AND ends_at > starts_at
    ), forgotten AS (
        DELETE FROM reconciliation_checks c
         WHERE c.tenant_id = :tenant_id AND NOT EXISTS (SELECT FROM known WHERE starts_at = c.period_start)
    )
    UPDATE reconciliation_findings f SET state = 'gone'
     WHERE f.tenant_id = :tenant_id AND f.state = 'open'
       AND NOT EXISTS (SELECT FROM known WHERE starts_at = f.period_start)
    """
)
