"""What the usage behind an invoice line is made of, by day and by user: actions, corrections, and what came late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.ledger.usage_filters import UsageFilters
from dashboard.billing.ledger.usage_types import UsageType
from dashboard.billing.reports.late_usage import late_by_day
from dashboard.billing.reports.ranges import Segment

_UTC_DAY = "date_bin('1 day', {moment}, TIMESTAMPTZ '2000-01-01 00:00:00+00')"

_DAYS = text(
    f"""
    SELECT {_UTC_DAY.format(moment="bucket_start")} AS day, sum(quantity) AS total, sum(events) AS events,
           (array_agg(quantity ORDER BY bucket_start DESC))[1] AS latest
      FROM usage_rollups
     WHERE tenant_id = :tenant_id AND usage_type = :usage_type AND events > 0
       AND bucket_start >= :start AND bucket_start < :stop
     GROUP BY 1
    """
)

# ix_billing_usage_corrections holds nothing else.
_CORRECTIONS = text(
    f"""
    SELECT {_UTC_DAY.format(moment="occurred_at")} AS day, sum(quantity) AS total
      FROM billing_usage
     WHERE tenant_id = :tenant_id AND usage_type = :usage_type AND corrects_id IS NOT NULL
       AND occurred_at >= :start AND occurred_at < :stop
       AND (CAST(:final_at AS timestamptz) IS NULL OR recorded_at < :final_at)
     GROUP BY 1
    """
)

# One statement sees one state of the ledger, so the users that are not listed are the difference, exactly.
_USERS = """
    WITH marked AS (
        SELECT u.user_id, u.quantity, u.corrects_id IS NOT NULL AS is_correction,
               u.recorded_at >= CAST(:final_at AS timestamptz) IS TRUE AS is_late
          FROM billing_usage u
         WHERE u.tenant_id = :tenant_id AND u.usage_type = :usage_type
           AND u.occurred_at >= :start AND u.occurred_at < :stop {filters}
    ), grouped AS (
        SELECT user_id, count(*) AS events, count(*) FILTER (WHERE is_late) AS late_events,
               sum(quantity) AS total, coalesce(sum(quantity) FILTER (WHERE is_late), 0) AS late,
               coalesce(sum(quantity) FILTER (WHERE is_correction AND NOT is_late), 0) AS corrections
          FROM marked GROUP BY user_id)
    SELECT *, count(*) OVER () AS all_users, sum(events) OVER () AS all_events, sum(total) OVER () AS all_total,
           sum(late) OVER () AS all_late, sum(late_events) OVER () AS all_late_events,
           sum(corrections) OVER () AS all_corrections
      FROM grouped ORDER BY total DESC, user_id NULLS LAST LIMIT :limit
"""

_READING = text(
    """
    SELECT quantity FROM billing_usage
     WHERE tenant_id = :tenant_id AND usage_type = :usage_type AND occurred_at >= :start AND occurred_at < :stop
       AND (CAST(:final_at AS timestamptz) IS NULL OR recorded_at < :final_at)
     ORDER BY occurred_at DESC, quantity DESC LIMIT 1
    """
)


@dataclass(frozen=True, slots=True)
class Span:
    """The half-open span of usage behind a line, and when its invoice became final: None while it is a draft."""

    start: datetime
    stop: datetime
    final_at: datetime | None


@dataclass(frozen=True, slots=True)
class Part:
    """Units: of `actions` and their `corrections` recorded in time, and of what came `late`; and ledger rows.

    Late is what was recorded when the invoice was final already. Of a level, `actions` is the latest reading and the
    other quantities are 0: readings do not add up.
    """

    actions: int = 0
    corrections: int = 0
    late: int = 0
    events: int = 0
    late_events: int = 0

    @property
    def total(self) -> int:
        """What the ledger holds."""
        return self.actions + self.corrections + self.late

    def __add__(self, other: Part) -> Part:
        return Part(
            self.actions + other.actions,
            self.corrections + other.corrections,
            self.late + other.late,
            self.events + other.events,
            self.late_events + other.late_events,
        )

    def __sub__(self, other: Part) -> Part:
        return self + Part(-other.actions, -other.corrections, -other.late, -other.events, -other.late_events)


@dataclass(frozen=True, slots=True)
class UserPart:
    """What one user did; None gathers what names nobody."""

    user_id: str | None
    part: Part


@dataclass(frozen=True, slots=True)
class Users:
    """The users with the most, how many there are, and what all of them have together."""

    users: list[UserPart]
    count: int
    total: Part


def parts_by_day(session: Session, tenant_id: int, kind: UsageType, span: Span) -> dict[date, Part]:
    """The parts of each UTC day with usage."""
    values = _values(tenant_id, kind, span)
    segments = [Segment(span.start, span.stop, span.final_at)] if span.final_at else []
    late = late_by_day(session, tenant_id, segments, kind.name)
    corrections: dict[date, int] = {}
    if not kind.is_level:
        rows = session.execute(_CORRECTIONS, values)
        corrections = {_date(row.day): int(row.total) for row in rows}
    found = {}
    for row in session.execute(_DAYS, values):
        day = _date(row.day)
        came = late.get(day)
        late_events = came.events if came else 0
        if kind.is_level:
            found[day] = Part(int(row.latest), 0, 0, int(row.events), late_events)
            continue
        corrected, lateness = corrections.get(day, 0), came.quantity if came else 0
        found[day] = Part(int(row.total) - corrected - lateness, corrected, lateness, int(row.events), late_events)
    return found


def parts_by_user(session: Session, tenant_id: int, kind: UsageType, span: Span, *, limit: int) -> Users:
    """The `limit` users with the most usage in a span of at most a day: the ledger's rows of it are read."""
    rows = _read_users(session, tenant_id, kind, span, UsageFilters(), limit)
    users = [
        UserPart(row.user_id, _part(row.total, row.corrections, row.late, row.events, row.late_events)) for row in rows
    ]
    return Users(users, rows[0].all_users if rows else 0, _all(rows))


def whole_part(session: Session, tenant_id: int, kind: UsageType, span: Span, filters: UsageFilters) -> Part:
    """What the filters leave of a span of at most a day."""
    return _all(_read_users(session, tenant_id, kind, span, filters, 1))


def reading_in_time(session: Session, tenant_id: int, kind: UsageType, span: Span) -> int:
    """The latest reading of a level among those recorded before the invoice was final; 0 without one."""
    found: int | None = session.scalar(_READING, _values(tenant_id, kind, span))
    return found or 0


def _read_users(
    session: Session, tenant_id: int, kind: UsageType, span: Span, filters: UsageFilters, limit: int
) -> list[Any]:
    values = {**_values(tenant_id, kind, span), **filters.parameters(), "limit": limit}
    return list(session.execute(text(_USERS.format(filters=filters.condition())), values))


def _all(rows: list[Any]) -> Part:
    if not rows:
        return Part()
    first = rows[0]
    return _part(first.all_total, first.all_corrections, first.all_late, first.all_events, first.all_late_events)


def _part(total: int, corrections: int, late: int, events: int, late_events: int) -> Part:
    return Part(int(total) - int(corrections) - int(late), int(corrections), int(late), int(events), int(late_events))


def _values(tenant_id: int, kind: UsageType, span: Span) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "usage_type": kind.name,
        "start": span.start,
        "stop": span.stop,
        "final_at": span.final_at,
    }


def _date(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
