"""The span of time a report is about: a billing period, or any range; how to read it, and what is late in it.

Rollups hold whole buckets. A range that cuts one is still exact: its cut hours are read from the ledger.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.moments import parse_moment
from dashboard.billing.periods.periods import Period, choose_period, list_periods, months_between, next_month
from dashboard.models import BillingPeriod, Tenant

HOUR = timedelta(hours=1)
LONGEST = timedelta(days=3_660)


@dataclass(frozen=True, slots=True)
class Segment:
    """The part `[start, stop)` of a range that lies in one billing period or month, which ends at `period_end`."""

    start: datetime
    stop: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True)
class Range:
    """The half-open span `[start, stop)` in UTC. `period` is set when it is exactly one billing period.

    `rollups` is the part that whole buckets cover, None if there is none; `cut` are the parts of hours to read
    from the ledger. `closed` are the segments whose period is over: only in these can usage be late.
    """

    start: datetime
    stop: datetime
    period: Period | None
    rollups: tuple[datetime, datetime] | None
    cut: tuple[tuple[datetime, datetime], ...]
    closed: tuple[Segment, ...]

    def is_late(self, occurred_at: datetime, recorded_at: datetime) -> bool:
        """Whether an action of this range was recorded after its period had ended."""
        n = bisect_right(self.closed, occurred_at, key=lambda segment: segment.start) - 1
        segment = self.closed[n] if n >= 0 else None
        return segment is not None and occurred_at < segment.stop and recorded_at >= segment.period_end


def find_range(
    session: Session, tenant: Tenant, *, period: str | None, start: str | None, stop: str | None, now: datetime
) -> Range:
    """The range that a request names: `period` (`current`, `previous` or when one begins), or `from` and `to`.

    The current period when nothing is named. `from` and `to` are ISO 8601 times with offset, or dates (midnight
    UTC); `to` is now when left out. Raises `InvalidInput` with the field (`period`, `from`, `to`).
    """
    if period is not None and (start is not None or stop is not None):
        raise InvalidInput("period", "give either a period, or from and to")
    if start is None and stop is None:
        periods = list_periods(session, tenant, now)
        chosen = choose_period(periods, period or "current")
        if chosen is None:
            named = ", ".join(each.key for each in periods[:12])
            raise InvalidInput("period", f"must be current, previous or the day a billing period begins: {named}")
        return range_of_period(session, tenant, chosen, now)
    if start is None:
        raise InvalidInput("from", "is needed beside to")
    begin = parse_moment(start, "from")
    end = parse_moment(stop, "to") if stop is not None else now
    if end <= begin:
        raise InvalidInput("to", "must lie after from")
    if end - begin > LONGEST:
        raise InvalidInput("to", f"must lie at most {LONGEST.days} days after from")
    return _make(session, tenant.id, begin, end, None, now)


def range_of_period(session: Session, tenant: Tenant, period: Period, now: datetime) -> Range:
    """The range of one billing period."""
    return _make(session, tenant.id, period.starts_at, period.ends_at, period, now)


def range_among(periods: Sequence[Period], start: datetime, stop: datetime, now: datetime) -> Range:
    """The range `[start, stop)` told by the tenant's periods (newest first, without gaps), with nothing to look up."""
    edges = {edge for period in periods for edge in (period.starts_at, period.ends_at)}
    rollups, cut = _whole_and_cut(edges, start, stop)
    spans = [(period.starts_at, period.ends_at) for period in periods]
    if spans:
        spans += months_between(start, spans[-1][0])
    segments = [Segment(max(a, start), min(b, stop), b) for a, b in sorted(spans) if max(a, start) < min(b, stop)]
    return Range(start, stop, None, rollups, cut, tuple(each for each in segments if each.period_end <= now))


def period_end_of(session: Session, tenant_id: int, moment: datetime) -> datetime:
    """When the billing period, or calendar month, of this moment ends."""
    return _segments(session, tenant_id, moment, moment + timedelta(microseconds=1))[0].period_end


def _make(
    session: Session, tenant_id: int, start: datetime, stop: datetime, period: Period | None, now: datetime
) -> Range:
    if period is not None:
        # Its edges are edges of buckets, and it is one segment: nothing to look up.
        segments = [Segment(start, stop, stop)]
        return Range(start, stop, period, (start, stop), (), tuple(each for each in segments if stop <= now))
    rollups, cut = _split(session, tenant_id, start, stop)
    segments = _segments(session, tenant_id, start, stop)
    return Range(start, stop, None, rollups, cut, tuple(each for each in segments if each.period_end <= now))


def _split(
    session: Session, tenant_id: int, start: datetime, stop: datetime
) -> tuple[tuple[datetime, datetime] | None, tuple[tuple[datetime, datetime], ...]]:
    """What whole buckets cover, and what is left at the ends. Buckets begin and end at hours and periods' edges."""
    ends = [start, stop]
    rows = session.execute(
        select(BillingPeriod.starts_at, BillingPeriod.ends_at).where(
            BillingPeriod.tenant_id == tenant_id,
            or_(BillingPeriod.starts_at.in_(ends), BillingPeriod.ends_at.in_(ends)),
        )
    )
    return _whole_and_cut({edge for row in rows for edge in row}, start, stop)


def _whole_and_cut(
    edges: set[datetime], start: datetime, stop: datetime
) -> tuple[tuple[datetime, datetime] | None, tuple[tuple[datetime, datetime], ...]]:
    first = start if start in edges or start == _hour(start) else _hour(start) + HOUR
    last = stop if stop in edges else _hour(stop)
    if first > last:  # all of it inside one hour
        return None, ((start, stop),)
    cut = tuple((a, b) for a, b in ((start, first), (last, stop)) if a < b)
    return (first, last) if first < last else None, cut


def _segments(session: Session, tenant_id: int, start: datetime, stop: datetime) -> list[Segment]:
    """The range by billing period, and by calendar month where there was no subscription."""
    rows = session.execute(
        select(BillingPeriod.starts_at, BillingPeriod.ends_at)
        .where(
            BillingPeriod.tenant_id == tenant_id,
            BillingPeriod.starts_at < next_month(stop),
            BillingPeriod.ends_at > start,
            BillingPeriod.ends_at > BillingPeriod.starts_at,
        )
        .order_by(BillingPeriod.starts_at)
    )
    spans: list[tuple[datetime, datetime]] = []
    reached = start
    for begins, ends in rows:
        spans += months_between(reached, begins)
        spans.append((max(begins, reached), ends))
        reached = max(reached, ends)
    spans += months_between(reached, next_month(max(stop, reached)))
    return [Segment(a, min(b, stop), b) for a, b in spans if a < min(b, stop)]


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
