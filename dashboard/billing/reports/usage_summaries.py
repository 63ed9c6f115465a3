"""What the API tells of usage: every type of a range at a glance, and one type hour by hour or day by day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from dashboard.billing.costs.allowances import Allowance, list_allowances
from dashboard.billing.errors import InvalidInput
from dashboard.billing.ledger.rollup_reads import Total
from dashboard.billing.ledger.usage_filters import UsageFilters
from dashboard.billing.ledger.usage_types import USAGE_TYPES, UsageType
from dashboard.billing.plans.plans import catalog
from dashboard.billing.reports.late_usage import Late, late_by_slot, late_by_type
from dashboard.billing.reports.range_totals import totals_by_slot, totals_by_type
from dashboard.billing.reports.ranges import Range

SLOTS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
MAX_SLOTS = 4_000


@dataclass(frozen=True, slots=True)
class TypeSummary:
    """One type in a range. `allowance` is set for a metered type when the range is one billing period."""

    usage_type: UsageType
    total: Total
    late: Late
    allowance: Allowance | None


@dataclass(frozen=True, slots=True)
class UsageSummary:
    """Every type in a range. Money is minor units of `currency`: what usage beyond the included would cost."""

    span: Range
    types: tuple[TypeSummary, ...]
    currency: str
    estimated_cost: int | None


@dataclass(frozen=True, slots=True)
class Slot:
    """An hour or a day of a series, cut where the range begins or ends inside it."""

    start: datetime
    stop: datetime
    quantity: int
    events: int
    late: Late


@dataclass(frozen=True, slots=True)
class UsageSeries:
    """One type over a range. The slots of a sum add up to the total; those of a level hold its last reading."""

    total: Total
    late: Late
    slots: tuple[Slot, ...]


def summarise_usage(session: Session, tenant_id: int, span: Range) -> UsageSummary:
    """All 16 types of a range, read from the rollups."""
    totals = totals_by_type(session, tenant_id, span, list(USAGE_TYPES))
    late = late_by_type(session, tenant_id, span, list(USAGE_TYPES))
    allowances: dict[str, Allowance] = {}
    if span.period is not None:
        used = {name: total.quantity for name, total in totals.items()}
        rows = list_allowances(session, tenant_id, span.period, used, None)
        allowances = {row.usage_type.name: row for row in rows}
    return UsageSummary(
        span=span,
        types=tuple(
            TypeSummary(kind, totals.get(name, Total()), late.get(name, Late()), allowances.get(name))
            for name, kind in USAGE_TYPES.items()
        ),
        currency=catalog().currency,
        estimated_cost=sum(row.estimated_cost for row in allowances.values()) if span.period else None,
    )


def chart_usage(
    session: Session,
    tenant_id: int,
    span: Range,
    kind: UsageType,
    *,
    granularity: str,
    filters: UsageFilters,
    now: datetime,
) -> UsageSeries:
    """One type as a series of UTC hours or days, up to now. With filters it is read from the ledger.

    Raises `InvalidInput` (`granularity`) when the range has too many hours.
    """
    step = SLOTS[granularity]
    if (span.stop - span.start) / step > MAX_SLOTS:
        raise InvalidInput("granularity", f"must be day: the range has more than {MAX_SLOTS} hours")
    found = totals_by_slot(session, tenant_id, span, kind.name, granularity, filters)
    late = {
        start: each
        for (_, start), each in late_by_slot(session, tenant_id, span, [kind.name], granularity, filters).items()
    }
    slots = []
    # An action may lie up to five minutes ahead: its slot is shown too.
    end = min(span.stop, max([now, *(start + timedelta(microseconds=1) for start in found)]))
    start, held = _floor(span.start, granularity), 0
    while start < end:
        each = found.get(start, Total(held if kind.is_level else 0))
        held = each.quantity
        bounds = max(start, span.start), min(start + step, span.stop)
        slots.append(Slot(*bounds, each.quantity, each.events, late.get(start, Late())))
        start += step
    return UsageSeries(_total(found, kind), sum(late.values(), Late()), tuple(slots))


def _total(found: dict[datetime, Total], kind: UsageType) -> Total:
    """The same rows that make the series make the total: they cannot disagree."""
    if not found:
        return Total()
    return Total(
        quantity=found[max(found)].quantity if kind.is_level else sum(each.quantity for each in found.values()),
        events=sum(each.events for each in found.values()),
        recorded_at=max((each.recorded_at for each in found.values() if each.recorded_at), default=None),
    )


def _floor(moment: datetime, granularity: str) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    return hour if granularity == "hour" else hour.replace(hour=0)
