"""What each plan would have cost on the tenant's own last months.

By calendar months in UTC, each with the whole base fee and the whole of what is included: so every plan is measured by
the same months, whatever the tenant was billed by. Prices are those on sale now, but for the plan it has: that keeps
the prices it was sold with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.ledger.usage_types import USAGE_TYPES, UsageType
from dashboard.billing.periods.periods import month_start
from dashboard.billing.plans.plans import PLANS, catalog, free_plan, plan_name
from dashboard.billing.plans.pricing import Tiers, cost_of_all, metered_prices, tiers_as_json
from dashboard.models import CatalogPrice, Subscription

MONTHS = 6

# A sum by month, and a level's last reading of each month.
_MONTHS = text(
    """
    SELECT usage_type, month, sum(quantity) AS total
      FROM (SELECT usage_type, quantity, width_bucket(bucket_start, CAST(:edges AS timestamptz[])) AS month
              FROM usage_rollups
             WHERE tenant_id = :tenant_id AND usage_type = ANY(:sums) AND events > 0
               AND bucket_start >= :start AND bucket_start < :stop) AS hours
     GROUP BY 1, 2
    UNION ALL
    SELECT usage_type, width_bucket(bucket_start, CAST(:edges AS timestamptz[])) AS month,
           (array_agg(quantity ORDER BY bucket_start DESC))[1] AS total
      FROM usage_rollups
     WHERE tenant_id = :tenant_id AND usage_type = ANY(:levels) AND events > 0
       AND bucket_start >= :start AND bucket_start < :stop
     GROUP BY 1, 2
    """
)


@dataclass(frozen=True, slots=True)
class MonthUsage:
    """A calendar month that is over, and the total of each metered type in it."""

    start: datetime
    totals: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PlanCost:
    """One plan on these months, minor units. `by_month` is base fee and usage of each.

    `stopped` are the types of which a plan without billing (Free) includes less than was used in some month: on it,
    the tenant would have been stopped. `difference` is how much more it costs than the present plan.
    """

    key: str
    name: str
    is_current: bool
    by_month: tuple[int, ...]
    total: int
    difference: int | None
    stopped: tuple[UsageType, ...]
    is_cheapest: bool


@dataclass(frozen=True, slots=True)
class PlanComparison:
    """Every plan that is on sale on the same months, oldest month first; no plans where there is nothing to go by."""

    interval: str
    currency: str
    months: tuple[MonthUsage, ...]
    plans: tuple[PlanCost, ...]


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a plan costs: its base fees month by month in minor units, and its tiers."""

    key: str
    base: tuple[int, ...]
    tiers: Mapping[str, Tiers]


def compare_plans(
    session: Session,
    tenant_id: int,
    current: Subscription | None,
    interval: str,
    now: datetime,
    *,
    prices: Sequence[CatalogPrice],
) -> PlanComparison:
    """The plans at base fees of `interval` ("monthly", "yearly") on the last `MONTHS` whole months with usage.

    `current` is the subscription that gives the tenant its plan, None on Free; `prices` are those on sale. A year's fee
    counts by its months.
    """
    months = read_months(session, tenant_id, now)
    terms = [found for plan in PLANS if (found := _terms(plan, prices, interval, len(months)))]
    key = current.plan if current is not None else free_plan().key
    is_old = current is not None and not set(current.price_ids) <= {price.price_id for price in prices}
    if current is not None and key is not None and is_old and months:
        own = metered_prices(session, tenant_id, key, current.id)
        kept = {name: price.tiers or [] for name, price in own.items()}
        terms = [_Terms(each.key, each.base, kept) if each.key == key and kept else each for each in terms]
    currency = next((price.currency for price in prices), catalog().currency)
    return PlanComparison(interval, currency, tuple(months), _costs(terms, months, key) if months else ())


def read_months(session: Session, tenant_id: int, now: datetime) -> list[MonthUsage]:
    """The last `MONTHS` calendar months that are over, oldest first, from the first one with usage. One query."""
    edges = [month_start(now)]
    while len(edges) <= MONTHS:
        edges.append(month_before(edges[-1]))
    edges.reverse()
    metered = catalog().metered
    rows = session.execute(
        _MONTHS,
        {
            "tenant_id": tenant_id,
            "sums": [kind.name for kind in metered if not kind.is_level],
            "levels": [kind.name for kind in metered if kind.is_level],
            "edges": edges,
            "start": edges[0],
            "stop": edges[-1],
        },
    )
    totals: list[dict[str, int]] = [{} for _ in range(MONTHS)]
    for row in rows:
        totals[row.month - 1][row.usage_type] = int(row.total)
    first = next((n for n, each in enumerate(totals) if any(each.values())), MONTHS)
    return [MonthUsage(edges[n], totals[n]) for n in range(first, MONTHS)]


def month_before(start: datetime) -> datetime:
    """Midnight UTC of the first of the month before the one that begins at `start`."""
    year, month = divmod(start.year * 12 + start.month - 2, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


def _terms(plan: str, prices: Sequence[CatalogPrice], interval: str, months: int) -> _Terms | None:
    """What a plan costs; None for one that is not on sale at this interval."""
    if plan == free_plan().key:
        return _Terms(plan, (0,) * months, {})
    own = [price for price in prices if price.plan == plan]
    fee = next((price.unit_amount for price in own if (price.usage_type, price.interval) == (None, interval)), None)
    if fee is None:
        return None
    parts = 12 if interval == "yearly" else 1
    # Whole minor units that add up to the year's fee.
    base = tuple(fee * (n + 1) // parts - fee * n // parts for n in range(months))
    tiers: dict[str, Tiers] = {name: tiers_as_json(each) for name, each in PLANS[plan].tiers.items()}
    return _Terms(plan, base, tiers | {price.usage_type: price.tiers or [] for price in own if price.usage_type})


def _costs(terms: Sequence[_Terms], months: Sequence[MonthUsage], current: str | None) -> tuple[PlanCost, ...]:
    rows = [
        (each, tuple(fee + cost_of_all(each.tiers, month.totals) for fee, month in zip(each.base, months, strict=True)))
        for each in terms
    ]
    stops = {each.key: _stopped(each.key, months) for each, _ in rows}
    able = [(sum(by_month), n) for n, (each, by_month) in enumerate(rows) if not stops[each.key]]
    cheapest = min(able)[1] if able else None
    own = next((sum(by_month) for each, by_month in rows if each.key == current), None)
    return tuple(
        PlanCost(
            key=each.key,
            name=plan_name(each.key),
            is_current=each.key == current,
            by_month=by_month,
            total=sum(by_month),
            difference=None if own is None else sum(by_month) - own,
            stopped=stops[each.key],
            is_cheapest=n == cheapest,
        )
        for n, (each, by_month) in enumerate(rows)
    )


def _stopped(plan: str, months: Sequence[MonthUsage]) -> tuple[UsageType, ...]:
    """The types of which Free includes less than some month used; none for a plan that bills what is beyond."""
    if plan != free_plan().key:
        return ()
    return tuple(
        USAGE_TYPES[name]
        for name in PLANS[plan].tiers
        if any(month.totals.get(name, 0) > (PLANS[plan].included(name) or 0) for month in months)
    )
