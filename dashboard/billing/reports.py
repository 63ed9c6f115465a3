"""Read-only reports for pages: usage of a period by type and day, and what of it is included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from dashboard.billing.errors import NotFound
from dashboard.billing.periods import Period, list_periods
from dashboard.billing.plans import catalog, free_plan, plan_name
from dashboard.billing.pricing import cost_of, metered_prices
from dashboard.billing.totals import totals_between, totals_by_day, totals_of_spans
from dashboard.billing.usage_types import FAMILIES, USAGE_TYPES, Family, UsageType
from dashboard.models import Tenant

HEADLINE = ("SMS_SENT", "AI_MESSAGE_GENERATED", "CALL_DURATION_SECONDS", "STORAGE_USED_MB")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one metered type used of what the plan includes. Money is minor units of `currency`."""

    usage_type: UsageType
    used: int
    included: int | None
    over: int
    overage_rate: Decimal | None
    currency: str
    estimated_cost: int
    previous: int | None


@dataclass(frozen=True, slots=True)
class Series:
    """One usage type of the chart, with its total for the period."""

    usage_type: UsageType
    total: int


@dataclass(frozen=True, slots=True)
class DayRow:
    """One UTC day: a value for each series, and their sum."""

    day: date
    values: tuple[int, ...]
    total: int
    is_future: bool


@dataclass(frozen=True, slots=True)
class TypeTotal:
    """One type's total in the period, and at the same point of the period before."""

    usage_type: UsageType
    total: int
    previous: int | None


@dataclass(frozen=True, slots=True)
class UsageReport:
    """All that the usage page shows."""

    period: Period
    periods: list[Period]
    family: Family
    families: list[Family]
    series: tuple[Series, ...]
    days: tuple[DayRow, ...]
    total: int
    is_level: bool
    allowances: tuple[Allowance, ...]
    type_totals: tuple[TypeTotal, ...]
    updated_at: datetime | None
    plan_label: str
    currency: str


def report_usage(
    session: Session, tenant: Tenant, *, period_key: str | None, family_key: str | None, now: datetime
) -> UsageReport:
    """The usage of one period (the current one by default), charted for one family of types.

    Raises `NotFound` for a period or family that is none of this tenant's.
    """
    periods = list_periods(session, tenant, now)
    period = _choose_period(periods, period_key)
    family = FAMILIES.get(family_key or "texts")
    if family is None:
        raise NotFound(f"no usage family {family_key}")
    (now_totals,) = totals_of_spans(session, tenant.id, list(USAGE_TYPES), [(period.starts_at, period.ends_at)])
    totals = {name: each.quantity for name, each in now_totals.items()}
    previous = _previous_totals(session, tenant.id, periods, period, now)
    kinds = [USAGE_TYPES[name] for name in family.types]
    days = _days(session, tenant.id, period, kinds, now)
    return UsageReport(
        period=period,
        periods=periods,
        family=family,
        families=list(FAMILIES.values()),
        series=tuple(Series(kind, totals.get(kind.name, 0)) for kind in kinds),
        days=days,
        total=sum(totals.get(kind.name, 0) for kind in kinds),
        is_level=any(kind.is_level for kind in kinds),
        allowances=list_allowances(session, tenant.id, period, totals, previous),
        type_totals=tuple(
            TypeTotal(kind, totals.get(kind.name, 0), previous.get(kind.name, 0) if previous is not None else None)
            for kind in USAGE_TYPES.values()
        ),
        updated_at=max((each.recorded_at for each in now_totals.values() if each.recorded_at), default=None),
        plan_label=label_plan(period.priced_as),
        currency=catalog().currency,
    )


def label_plan(key: str | None) -> str:
    """ "Starter plan", and "Other plan" for one that is none of ours."""
    return f"{plan_name(key)} plan" if key else plan_name(key)


def _choose_period(periods: Sequence[Period], key: str | None) -> Period:
    for period in periods:
        if period.key == key or (key is None and period.is_current):
            return period
    if key is None and periods:
        return periods[0]
    raise NotFound(f"no period {key}")


def _previous_totals(
    session: Session, tenant_id: int, periods: Sequence[Period], period: Period, now: datetime
) -> dict[str, int] | None:
    """The period before, up to the same point when this one is still running."""
    before = [other for other in periods if other.ends_at <= period.starts_at]
    if not before:
        return None
    stop = before[0].ends_at
    if period.is_current:
        stop = min(stop, before[0].starts_at + (now - period.starts_at))
    return totals_between(session, tenant_id, list(USAGE_TYPES), before[0].starts_at, stop)


def _days(
    session: Session, tenant_id: int, period: Period, kinds: list[UsageType], now: datetime
) -> tuple[DayRow, ...]:
    names = [kind.name for kind in kinds]
    found = totals_by_day(session, tenant_id, names, period.starts_at, period.ends_at)
    rows = []
    day = period.starts_at.date()
    held: dict[str, int] = {}
    while datetime(day.year, day.month, day.day, tzinfo=UTC) < period.ends_at:
        values = []
        for kind in kinds:
            value = found.get((kind.name, day), held.get(kind.name, 0) if kind.is_level else 0)
            held[kind.name] = value
            values.append(value)
        is_future = day > now.date()
        values = [0] * len(values) if is_future else values
        rows.append(DayRow(day, tuple(values), sum(values), is_future))
        day += timedelta(days=1)
    return tuple(rows)


def list_allowances(
    session: Session, tenant_id: int, period: Period, totals: dict[str, int], previous: dict[str, int] | None
) -> tuple[Allowance, ...]:
    """The headline meters; a period without a subscription is on Free, which stops rather than bills.

    A metered price that we do not know includes nothing that we know of: nothing is over.
    """
    prices = metered_prices(session, tenant_id, period.priced_as, period.subscription_id)
    order = [USAGE_TYPES[name] for name in HEADLINE] + [kind for kind in catalog().metered if kind.name not in HEADLINE]
    answer = []
    for kind in order:
        price = prices.get(kind.name)
        used = totals.get(kind.name, 0)
        included = price.included if price else None
        over = max(used - included, 0) if included is not None else 0
        is_billed = price is not None and period.priced_as != free_plan().key
        rate = price.overage_rate if price and is_billed else None
        cost = cost_of(price.tiers or [], used) if price and is_billed else 0
        earlier = previous.get(kind.name, 0) if previous is not None else None
        answer.append(Allowance(kind, used, included, over, rate, catalog().currency, cost, earlier))
    return tuple(answer)
