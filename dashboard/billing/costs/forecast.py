"""What a billing period will come to: the usage of each metered type and the invoice, each with an 80% interval.

Read from the tenant's own days (rollups), so it costs the same at any size of the ledger. See ADR 0040.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy.orm import Session

from dashboard.billing.costs.next_bill import Bill, find_bill
from dashboard.billing.costs.projection import TAIL, Projection, project, quantile
from dashboard.billing.ledger.rollup_reads import read_pieces, whole_buckets
from dashboard.billing.ledger.usage_types import LEVELS, USAGE_TYPES, UsageType
from dashboard.billing.periods.periods import Period
from dashboard.billing.plans.plans import catalog
from dashboard.billing.plans.pricing import Tiers, cost_of
from dashboard.models import Tenant

HISTORY = timedelta(weeks=9)
DAY = timedelta(days=1)
# Fewer common days than this say nothing of how the types go together.
FEWEST_SCENARIOS = 10


@dataclass(frozen=True, slots=True)
class TypeForecast:
    """One metered type at the end of the period, in units; costs are minor units, after what the plan includes.

    `used` is the period's total so far (for a level its latest reading). In four of five cases the total will lie
    between `low` and `high`.
    """

    usage_type: UsageType
    used: int
    expected: int
    low: int
    high: int
    included: int | None
    cost_expected: int
    cost_low: int
    cost_high: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """The period as it will probably end. Money is minor units of `currency`, before tax, discounts and credit.

    `base_fee` is what the plan costs at the period's end for the time after it: 0 in the months between yearly
    payments, and where the subscription ends. `reason` says why there is no forecast; then `types` is empty and
    the totals are None. `history_days` is how many whole days it is made from.
    """

    period: Period
    currency: str
    base_fee: int
    is_billed: bool
    history_days: int
    types: tuple[TypeForecast, ...] = ()
    total_expected: int | None = None
    total_low: int | None = None
    total_high: int | None = None
    reason: str | None = None


@dataclass(slots=True)
class DailyUsage:
    """One type, day by day (UTC): the total of a day, or a level's latest reading. `used` is the period's so far."""

    days: dict[date, int] = field(default_factory=dict)
    used: int = 0


def forecast_period(session: Session, tenant: Tenant, period: Period, now: datetime) -> Forecast:
    """The forecast of one period at `now`: two queries, three where the plan is about to change."""
    usage = read_days(session, tenant.id, period, now)
    return make_forecast(period, usage, find_bill(session, tenant.id, period), now)


def read_days(session: Session, tenant_id: int, period: Period, now: datetime) -> dict[str, DailyUsage]:
    """The days of every metered type since `HISTORY` before now, or since the period's start. One query."""
    names = [kind.name for kind in catalog().metered]
    start = min(datetime.combine((now - HISTORY).date(), time.min, UTC), period.starts_at)
    # The day in which the period begins comes in two parts.
    pieces = whole_buckets(0, start, period.starts_at, "day") + whole_buckets(
        1, period.starts_at, period.ends_at, "day"
    )
    found = {name: DailyUsage() for name in names}
    for part, totals in enumerate(read_pieces(session, tenant_id, pieces, names, "day")):
        for name, moment in sorted(totals):
            each, total, day = found[name], totals[name, moment].quantity, moment.date()
            if name in LEVELS:
                each.days[day] = total
                each.used = total if part == 1 else each.used
            else:
                each.days[day] = each.days.get(day, 0) + total
                each.used += total if part == 1 else 0
    return found


def make_forecast(period: Period, usage: Mapping[str, DailyUsage], bill: Bill, now: datetime) -> Forecast:
    """The same from figures at hand. A period that is over is what it was."""
    today = now.astimezone(UTC).date()
    first = min((day for each in usage.values() for day in each.days), default=today)
    history = max(0, (today - first).days)
    is_over = period.ends_at <= now
    if history == 0 and not is_over:
        reason = "Nothing was used before today: there is no whole day to go by yet."
        return Forecast(period, bill.currency, bill.base_fee, bill.is_billed, 0, reason=reason)
    shares = [] if is_over else shares_of_days(now, period.ends_at)
    types, projections = [], []
    for name, each in usage.items():
        kind = USAGE_TYPES[name]
        projection = _project(kind, each, first, today, shares)
        projections.append(projection)
        base = each.used if is_over else _base(kind, each)
        types.append(_of_type(kind, each.used, base, projection, bill))
    low, high = _total_interval(types, projections, bill)
    return Forecast(
        period=period,
        currency=bill.currency,
        base_fee=bill.base_fee,
        is_billed=bill.is_billed,
        history_days=history,
        types=tuple(types),
        total_expected=bill.base_fee + sum(each.cost_expected for each in types),
        total_low=bill.base_fee + low,
        total_high=bill.base_fee + high,
    )


def shares_of_days(now: datetime, end: datetime) -> list[float]:
    """How much of each UTC day from now's to that of `end` lies between the two, 0 to 1."""
    shares = []
    day = datetime.combine(now.astimezone(UTC).date(), time.min, UTC)
    while day < end:
        shares.append((min(day + DAY, end) - max(day, now)) / DAY)
        day += DAY
    return shares


def _project(kind: UsageType, usage: DailyUsage, first: date, today: date, shares: Sequence[float]) -> Projection:
    days = {day: total for day, total in usage.days.items() if day < today}
    if not days:
        return Projection(0.0, 0.0, 0.0)
    begin = min(days)
    if kind.is_level:
        daily, held = [], days[begin]
        for n in range(1, (today - begin).days):
            reading = days.get(begin + n * DAY, held)
            daily.append(reading - held)
            held = reading
        return project(daily, (begin + DAY).weekday(), shares, is_change=True)
    if 2 * len(days) < (today - begin).days:
        # Used now and then: that its first day was one with usage is chance, so the days before count too.
        begin = first
    daily = [days.get(date.fromordinal(n), 0) for n in range(begin.toordinal(), today.toordinal())]
    return project(daily, begin.weekday(), shares)


def _of_type(kind: UsageType, used: int, base: int, projection: Projection, bill: Bill) -> TypeForecast:
    # A level may fall; a sum never does, but by corrections.
    least = 0 if kind.is_level else used
    expected, low, high = (
        max(least, base + round(each)) for each in (projection.expected, projection.low, projection.high)
    )
    tiers = bill.tiers.get(kind.name)
    return TypeForecast(
        kind,
        used,
        expected,
        low,
        high,
        bill.included.get(kind.name),
        *(_cost(tiers, total) for total in (expected, low, high)),
    )


def _base(kind: UsageType, usage: DailyUsage) -> int:
    """What the units to come are added to. A level without a reading in this period is at its last one before."""
    return usage.days[max(usage.days)] if kind.is_level and usage.days else usage.used


def _cost(tiers: Tiers | None, total: int) -> int:
    return cost_of(tiers, total) if tiers else 0


def _total_interval(types: Sequence[TypeForecast], projections: Sequence[Projection], bill: Bill) -> tuple[int, int]:
    """The interval of the usage's cost over all types.

    Types go up and down together or do not: each past day's errors of all types make one scenario of the period.
    """
    expected = sum(each.cost_expected for each in types)
    priced = [
        (bill.tiers[each.usage_type.name], each.expected, projection.errors)
        for each, projection in zip(types, projections, strict=True)
        if each.usage_type.name in bill.tiers and projection.errors
    ]
    scenarios = min((len(errors) for _, _, errors in priced), default=0)
    if scenarios < FEWEST_SCENARIOS:
        return sum(each.cost_low for each in types), sum(each.cost_high for each in types)
    certain = expected - sum(_cost(tiers, total) for tiers, total, _ in priced)
    costs = sorted(
        certain + sum(_cost(tiers, max(0, total + round(errors[-n]))) for tiers, total, errors in priced)
        for n in range(1, scenarios + 1, 1 if scenarios < 2 * FEWEST_SCENARIOS else 2)
    )
    return min(round(quantile(costs, TAIL)), expected), max(round(quantile(costs, 1 - TAIL)), expected)
