"""Sums over the hourly rollups, for any span that begins and ends on a bucket's edge."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import bindparam, text
from sqlalchemy.orm import Session

from dashboard.billing.usage_types import LEVELS, UsageType

_BY_TYPE = text(
    """
    SELECT usage_type, sum(quantity) AS total, (array_agg(quantity ORDER BY bucket_start DESC))[1] AS latest
      FROM usage_rollups
     WHERE tenant_id = :tenant_id AND bucket_start >= :start AND bucket_start < :stop
       AND events > 0 AND usage_type IN :usage_types
     GROUP BY usage_type
    """
).bindparams(bindparam("usage_types", expanding=True))

_BY_DAY = text(
    """
    SELECT usage_type, date_trunc('day', bucket_start, 'UTC') AS day, sum(quantity) AS total,
           (array_agg(quantity ORDER BY bucket_start DESC))[1] AS latest
      FROM usage_rollups
     WHERE tenant_id = :tenant_id AND bucket_start >= :start AND bucket_start < :stop
       AND events > 0 AND usage_type IN :usage_types
     GROUP BY 1, 2
    """
).bindparams(bindparam("usage_types", expanding=True))

_UPDATED = text("SELECT max(recorded_at) FROM usage_rollups WHERE tenant_id = :tenant_id AND bucket_start >= :start")


def totals_between(
    session: Session, tenant_id: int, usage_types: list[str], start: datetime, stop: datetime
) -> dict[str, int]:
    """The total of each type in `[start, stop)`; for a level the latest reading. Types without usage are absent."""
    scope = {"tenant_id": tenant_id, "start": start, "stop": stop, "usage_types": usage_types}
    return {
        row.usage_type: int(row.latest if row.usage_type in LEVELS else row.total)
        for row in session.execute(_BY_TYPE, scope)
    }


def total_between(session: Session, tenant_id: int, kind: UsageType, start: datetime, stop: datetime) -> int:
    """The total of one type in `[start, stop)`."""
    return totals_between(session, tenant_id, [kind.name], start, stop).get(kind.name, 0)


def totals_by_day(
    session: Session, tenant_id: int, usage_types: list[str], start: datetime, stop: datetime
) -> dict[tuple[str, date], int]:
    """The total of each type and UTC day in `[start, stop)`; for a level the day's latest reading."""
    scope = {"tenant_id": tenant_id, "start": start, "stop": stop, "usage_types": usage_types}
    return {
        (row.usage_type, row.day.date()): int(row.latest if row.usage_type in LEVELS else row.total)
        for row in session.execute(_BY_DAY, scope)
    }


def last_recorded_at(session: Session, tenant_id: int, start: datetime) -> datetime | None:
    """When usage was last taken in for buckets since `start`."""
    found: datetime | None = session.scalar(_UPDATED, {"tenant_id": tenant_id, "start": start})
    return found
