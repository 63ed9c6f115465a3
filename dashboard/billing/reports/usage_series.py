"""The slots of a chart: what fell into each hour or day, by type or by part of a split, beside the span before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.ledger.rollup_reads import Key, Total
from dashboard.billing.ledger.usage_types import UsageType
from dashboard.billing.reports.ranges import Range
from dashboard.billing.reports.usage_scope import Scope
from dashboard.billing.reports.usage_split import Split

# One step down the primary key for each.
_HELD = text(
    """
    SELECT s.n, s.name, r.quantity
      FROM unnest(CAST(:places AS int[]), CAST(:names AS text[]), CAST(:starts AS timestamptz[])) AS s (n, name, start)
      CROSS JOIN LATERAL (
        SELECT quantity FROM usage_rollups u
         WHERE u.tenant_id = :tenant_id AND u.usage_type = s.name AND u.bucket_start < s.start AND u.events > 0
         ORDER BY u.bucket_start DESC LIMIT 1) AS r
    """
)

Slots = list[tuple[datetime, tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of the chart: a usage type, or a user or resource (`key`, None for what names none), or the others."""

    usage_type: UsageType | None = None
    key: str | None = None
    resource_type: str | None = None
    is_other: bool = False
    total: int = 0


@dataclass(frozen=True, slots=True)
class SlotRow:
    """One UTC hour or day: a value for each series, their sum, and that of the slot before it is compared with.

    The first and the last slot of a span may be cut by its ends.
    """

    start: datetime
    stop: datetime
    values: tuple[int, ...]
    total: int
    previous: int | None
    is_future: bool

    @property
    def key(self) -> str:
        """Its name on a page."""
        start = self.start
        return f"s{start.year}{start.month:02}{start.day:02}{start.hour:02}"


def series_of(scope: Scope, split: Split | None, rows: Sequence[SlotRow]) -> tuple[Series, ...]:
    """The series in the order of their values; their totals are those of the rows that are not yet to come."""
    shown = [row for row in rows if not row.is_future]
    totals = [sum(values) for values in zip(*(row.values for row in shown), strict=True)]
    if split is None:
        if scope.is_level:
            totals = list(shown[-1].values) if shown else []
        totals = totals or [0 for _ in scope.kinds]
        return tuple(Series(usage_type=kind, total=total) for kind, total in zip(scope.kinds, totals, strict=True))
    parts = [Series(key=part.key, resource_type=part.resource_type, total=part.quantity) for part in split.parts]
    others = [Series(is_other=True, total=split.other.quantity)] if split.other else []
    return (*parts, *others)


def rows_by_type(
    session: Session, tenant_id: int, scope: Scope, totals: Sequence[Mapping[Key, Total]], now: datetime
) -> tuple[SlotRow, ...]:
    """The slots by type. A level is held until its next reading, also over from before the span. One query for it."""
    spans = [scope.span, *([scope.before] if scope.before else [])]
    held = _held_before(session, tenant_id, scope.names, spans) if scope.is_level else [{} for _ in spans]
    slots = [list(_by_type(scope, span, totals[n], held[n])) for n, span in enumerate(spans)]
    return _rows(scope, slots[0], slots[1] if scope.before else None, now)


def rows_of_split(
    scope: Scope, split: Split, totals: Sequence[Mapping[Key, Total]], now: datetime
) -> tuple[SlotRow, ...]:
    """The slots by part of a split; those before have their sums only."""
    parts = [*split.parts, *([split.other] if split.other else [])]
    slots = [(start, tuple(part.slots.get(start, 0) for part in parts)) for start in _starts(scope, scope.span)]
    before = list(_by_type(scope, scope.before, totals[1], {})) if scope.before else None
    return _rows(scope, slots, before, now)


def _by_type(
    scope: Scope, span: Range, totals: Mapping[Key, Total], held: Mapping[str, int]
) -> Iterator[tuple[datetime, tuple[int, ...]]]:
    level, names, is_level = dict(held), scope.names, scope.is_level
    for start in _starts(scope, span):
        values = []
        for name in names:
            found = totals.get((name, start))
            if is_level:
                level[name] = found.quantity if found else level.get(name, 0)
            values.append(level[name] if is_level else found.quantity if found else 0)
        yield start, tuple(values)


def _rows(scope: Scope, slots: Slots, before: Slots | None, now: datetime) -> tuple[SlotRow, ...]:
    rows = []
    for n, (start, values) in enumerate(slots):
        is_future = start > now
        values = tuple(0 for _ in values) if is_future else values
        earlier = sum(before[n][1]) if before is not None and n < len(before) else None
        bounds = max(start, scope.span.start), min(start + scope.step, scope.span.stop)
        rows.append(SlotRow(*bounds, values, sum(values), earlier, is_future))
    return tuple(rows)


def _starts(scope: Scope, span: Range) -> Iterator[datetime]:
    start = floor_of(span.start, scope.step)
    while start < span.stop:
        yield start
        start += scope.step


def floor_of(moment: datetime, step: timedelta) -> datetime:
    """The beginning of the UTC hour or day."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    return hour if step == timedelta(hours=1) else hour.replace(hour=0)


def _held_before(
    session: Session, tenant_id: int, names: Sequence[str], spans: Sequence[Range]
) -> list[dict[str, int]]:
    """The last reading of each level before each span begins."""
    asked = [(n, name, span.start) for n, span in enumerate(spans) for name in names]
    places, levels, starts = ([each[n] for each in asked] for n in range(3))
    found: list[dict[str, int]] = [{} for _ in spans]
    values = {"tenant_id": tenant_id, "places": places, "names": levels, "starts": starts}
    for row in session.execute(_HELD, values):
        found[row.n][row.name] = row.quantity
    return found
