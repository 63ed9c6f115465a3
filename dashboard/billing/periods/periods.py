"""Billing periods: what Stripe bills by, and calendar months where it bills nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from dashboard.billing.moments import write_moment
from dashboard.billing.plans.plans import free_plan
from dashboard.models import BillingPeriod, Tenant


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open span `[starts_at, ends_at)` in UTC.

    `plan` is None where no subscription covered it, and where one did at a price that means no plan of ours.
    `key` is its name in an address: the day it begins, with the time where another one began earlier that day.
    """

    key: str

    starts_at: datetime
    ends_at: datetime
    plan: str | None
    is_current: bool
    subscription_id: str | None = None

    @property
    def priced_as(self) -> str | None:
        """The plan whose prices hold: Free's without a subscription, None on a plan that is none of ours."""
        return self.plan if self.subscription_id else free_plan().key


# Nearly every page begins with them: the statement is put together once.
_NEWEST = (
    select(BillingPeriod.starts_at, BillingPeriod.ends_at, BillingPeriod.plan, BillingPeriod.subscription_id)
    .where(BillingPeriod.tenant_id == bindparam("tenant_id"), BillingPeriod.ends_at > BillingPeriod.starts_at)
    .order_by(BillingPeriod.starts_at.desc())
    .limit(24)
)


def list_periods(session: Session, tenant: Tenant, now: datetime) -> list[Period]:
    """All periods a page offers, newest first: Stripe's, and calendar months where there was no subscription."""
    spans: list[tuple[datetime, datetime, str | None, str | None]] = []
    reached = month_start(tenant.created_at)
    for starts_at, ends_at, plan, subscription_id in reversed(session.execute(_NEWEST, {"tenant_id": tenant.id}).all()):
        if not spans and (starts_at - reached) > timedelta(days=800):
            reached = starts_at
        spans += [(start, end, None, None) for start, end in months_between(reached, starts_at)]
        spans.append((starts_at, ends_at, plan, subscription_id))
        reached = max(reached, ends_at)
    if reached <= now:
        spans += [(start, end, None, None) for start, end in months_between(reached, next_month(now))]
    periods, days = [], set[date]()
    for start, end, bought, under in spans:
        key = write_moment(start) if start.date() in days else start.date().isoformat()
        days.add(start.date())
        periods.append(Period(key, start, end, bought, start <= now < end, under))
    return [period for period in reversed(periods) if period.starts_at <= now]


def choose_period(periods: Sequence[Period], name: str) -> Period | None:
    """The one of this name among periods, newest first: `current`, `previous`, a key, or the moment one begins."""
    current = next((n for n, period in enumerate(periods) if period.is_current), None)
    if name == "current":
        return periods[current or 0] if periods else None
    if name == "previous":
        before = 0 if current is None else current + 1
        return periods[before] if before < len(periods) else None
    return next((each for each in periods if name in {each.key, write_moment(each.starts_at)}), None)


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
