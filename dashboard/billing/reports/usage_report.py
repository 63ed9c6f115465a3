"""Read-only reports for pages: usage of a span by type, user or resource, slot by slot, against the span before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from dashboard.billing.costs.allowances import Allowance, list_allowances
from dashboard.billing.ledger.rollup_reads import EVER, NOTHING, Key, Total
from dashboard.billing.ledger.usage_types import USAGE_TYPES, UsageType
from dashboard.billing.plans.plans import catalog, plan_name
from dashboard.billing.reports.range_totals import totals_of_ranges
from dashboard.billing.reports.ranges import Range
from dashboard.billing.reports.usage_scope import DAY, Scope
from dashboard.billing.reports.usage_series import Series, SlotRow, rows_by_type, rows_of_split, series_of
from dashboard.billing.reports.usage_split import MOST_ROWS, Split, split_usage
from dashboard.models import Tenant

PARTS = 8
USERS = 20


@dataclass(frozen=True, slots=True)
class TypeTotal:
    """One type's total in the span, and at the same point of the one before (None: there is none)."""

    usage_type: UsageType
    total: int
    previous: int | None


@dataclass(frozen=True, slots=True)
class TooMany:
    """More actions than a split or filter reads at a time, and the newest part of the span that it could read."""

    actions: int
    most: int
    fits: tuple[datetime, datetime] | None


@dataclass(frozen=True, slots=True)
class UsageReport:
    """All that the usage page shows. `who` is the users of a span of a day at most; `too_many` says why it is less.

    The slots add up to the series, and these to the total; of a level it is the last reading. `previous` is the
    total of the slots before that stand beside those shown.
    """

    scope: Scope
    series: tuple[Series, ...]
    slots: tuple[SlotRow, ...]
    total: int
    previous: int | None
    other_groups: int
    who: Split | None
    too_many: TooMany | None
    allowances: tuple[Allowance, ...]
    type_totals: tuple[TypeTotal, ...]
    updated_at: datetime | None
    plan_label: str
    currency: str


def report_usage(session: Session, tenant: Tenant, scope: Scope, now: datetime) -> UsageReport:
    """The usage of a scope: at most five queries, of which none reads more than `MOST_ROWS` of the ledger."""
    span, before = scope.span, scope.before
    totals = totals_of_ranges(
        session, tenant.id, [span, *([_so_far(before, span, now)] if before else [])], list(USAGE_TYPES)
    )
    current, earlier = _quantities(totals[0]), _quantities(totals[1]) if before else None
    actions = sum(totals[0][name, EVER].events for name in scope.names if (name, EVER) in totals[0])
    needed = actions * (2 if scope.filters and before else 1)
    is_too_much = (bool(scope.filters) or scope.group_by != "type") and needed > MOST_ROWS
    filters = NOTHING if is_too_much else scope.filters
    slots = totals_of_ranges(
        session, tenant.id, [span, *([before] if before else [])], scope.names, scope.granularity, filters
    )
    split = None
    if scope.group_by != "type" and not is_too_much:
        split = _split(session, tenant.id, scope, scope.group_by, scope.granularity, PARTS)
    rows = rows_of_split(scope, split, slots, now) if split else rows_by_type(session, tenant.id, scope, slots, now)
    if is_too_much and scope.filters:
        rows = ()
    shown = [row for row in rows if not row.is_future]
    return UsageReport(
        scope=scope,
        series=series_of(scope, split, rows),
        slots=rows,
        total=(shown[-1].total if shown else 0) if scope.is_level else sum(row.total for row in shown),
        previous=_previous(scope, shown) if before else None,
        other_groups=split.other_groups if split else 0,
        who=_who(session, tenant.id, scope, actions),
        too_many=TooMany(actions, MOST_ROWS, _fitting(scope, slots[0], actions, needed)) if is_too_much else None,
        allowances=_allowances(session, tenant.id, scope, current, earlier),
        type_totals=tuple(
            TypeTotal(kind, current.get(kind.name, 0), earlier.get(kind.name, 0) if earlier is not None else None)
            for kind in USAGE_TYPES.values()
        ),
        updated_at=max((each.recorded_at for each in totals[0].values() if each.recorded_at), default=None),
        plan_label=label_plan(span.period.priced_as) if span.period else "",
        currency=catalog().currency,
    )


def label_plan(key: str | None) -> str:
    """ "Starter plan", and "Other plan" for one that is none of ours."""
    return f"{plan_name(key)} plan" if key else plan_name(key)


def _so_far(before: Range, span: Range, now: datetime) -> Range:
    """The span before up to the same point, while this one is running; to the hour."""
    if not span.start <= now < span.stop:
        return before
    stop = min(before.stop, before.start + (now - span.start))
    first, last = before.rollups or (stop, stop)
    return replace(
        before,
        stop=stop,
        rollups=(first, min(last, stop)) if first < stop else None,
        cut=tuple((start, min(end, stop)) for start, end in before.cut if start < stop),
    )


def _quantities(totals: Mapping[Key, Total]) -> dict[str, int]:
    return {name: total.quantity for (name, _), total in totals.items()}


def _split(session: Session, tenant_id: int, scope: Scope, group_by: str, slot: str | None, limit: int) -> Split:
    return split_usage(
        session, tenant_id, scope.span, scope.names, group_by=group_by, slot=slot, filters=scope.filters, limit=limit
    )


def _who(session: Session, tenant_id: int, scope: Scope, actions: int) -> Split | None:
    """The users of a day, where the chart does not show them already."""
    is_short = scope.span.stop - scope.span.start <= DAY
    is_shown = scope.group_by == "user" or scope.filters.user_id is not None
    if not is_short or is_shown or scope.is_level or actions > MOST_ROWS:
        return None
    return _split(session, tenant_id, scope, "user", None, USERS)


def _fitting(scope: Scope, totals: Mapping[Key, Total], actions: int, needed: int) -> tuple[datetime, datetime] | None:
    """The newest slots whose actions can be read, where each action costs `needed / actions` rows."""
    events: dict[datetime, int] = {}
    for (_, start), total in totals.items():
        events[start] = events.get(start, 0) + total.events
    room, first = MOST_ROWS * actions // needed, None
    for start in sorted(events, reverse=True):
        room -= events[start]
        if room < 0:
            break
        first = start
    return (max(first, scope.span.start), min(max(events) + scope.step, scope.span.stop)) if first else None


def _previous(scope: Scope, shown: Sequence[SlotRow]) -> int:
    figures = [row.previous for row in shown if row.previous is not None]
    return (figures[-1] if figures else 0) if scope.is_level else sum(figures)


def _allowances(
    session: Session, tenant_id: int, scope: Scope, current: dict[str, int], earlier: dict[str, int] | None
) -> tuple[Allowance, ...]:
    if scope.span.period is None or scope.filters:
        return ()
    return list_allowances(session, tenant_id, scope.span.period, current, earlier)
