"""Billing periods: what Stripe bills by, and calendar months where it bills nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.plans import free_plan
from dashboard.models import BillingPeriod, Tenant


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open span `[starts_at, ends_at)` in UTC.

    `plan` is None where no subscription covered it, and where one did at a price that means no plan of ours.
    """

    starts_at: datetime
    ends_at: datetime
    plan: str | None
    is_current: bool
    subscription_id: str | None = None

    @property
    def priced_as(self) -> str | None:
        """The plan whose prices hold: Free's without a subscription, None on a plan that is none of ours."""
        return self.plan if self.subscription_id else free_plan().key

    @property
    def key(self) -> str:
        """Its name in a URL: the day it begins."""
        return self.starts_at.date().isoformat()


def known_periods(session: Session, tenant_id: int, *, newest: int = 24) -> list[BillingPeriod]:
    """The newest periods with a subscription, oldest first."""
    rows = session.scalars(
        select(BillingPeriod)
        .where(BillingPeriod.tenant_id == tenant_id, BillingPeriod.ends_at > BillingPeriod.starts_at)
        .order_by(BillingPeriod.starts_at.desc())
        .limit(newest)
    )
    return sorted(rows, key=lambda row: row.starts_at)


def list_periods(session: Session, tenant: Tenant, now: datetime) -> list[Period]:
    """All periods a page offers, newest first: Stripe's, and calendar months where there was no subscription."""
    spans: list[tuple[datetime, datetime, BillingPeriod | None]] = []
    reached = month_start(tenant.created_at)
    for row in known_periods(session, tenant.id):
        if not spans and (row.starts_at - reached) > timedelta(days=800):
            reached = row.starts_at
        spans += [(start, end, None) for start, end in months_between(reached, row.starts_at)]
        spans.append((row.starts_at, row.ends_at, row))
        reached = max(reached, row.ends_at)
    if reached <= now:
        spans += [(start, end, None) for start, end in months_between(reached, next_month(now))]
    periods = [
        Period(start, end, row.plan if row else None, start <= now < end, row.subscription_id if row else None)
        for start, end, row in spans
    ]
    return [period for period in reversed(periods) if period.starts_at <= now]


def months_between(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """`[start, end)` cut at the first of each month."""
    spans = []
    while start < end:
        stop = min(next_month(start), end)
        spans.append((start, stop))
        start = stop
    return spans


def month_start(moment: datetime) -> datetime:
    """Midnight UTC of the first of its month."""
    return datetime(moment.year, moment.month, 1, tzinfo=UTC)


def next_month(moment: datetime) -> datetime:
    """Midnight UTC of the first of the month after."""
    return month_start(month_start(moment) + timedelta(days=32))
