"""Usage that came late: recorded after the end of the billing period, or calendar month, in which it happened.

It belongs to the time it happened and is in every total of that time. Here it is counted apart, at read time, so
that a closed period that changed afterwards says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.ledger.usage_filters import UsageFilters
from dashboard.billing.reports.ranges import Range, Segment

SEGMENTS = """
    unnest(CAST(:starts AS timestamptz[]), CAST(:stops AS timestamptz[]), CAST(:ends AS timestamptz[]))
        AS s (start, stop, period_end)
"""

# Two halves, each with its index: ix_billing_usage_late knows what took more than an hour; what took less and is late
# all the same happened in the last hour of its period.
_LATE = f"""
    SELECT late.usage_type, date_trunc(:slot, late.occurred_at, 'UTC') AS slot,
           sum(late.quantity) AS quantity, count(*) AS events
      FROM {SEGMENTS}
      CROSS JOIN LATERAL (
        SELECT u.usage_type, u.quantity, u.occurred_at FROM billing_usage u
         WHERE u.tenant_id = :tenant_id AND u.occurred_at >= s.start AND u.occurred_at < s.stop
           AND u.recorded_at - u.occurred_at > interval '1 hour' AND u.recorded_at >= s.period_end
           AND u.usage_type = ANY(:usage_types) {{filters}}
        UNION ALL
        SELECT u.usage_type, u.quantity, u.occurred_at FROM billing_usage u
         WHERE u.tenant_id = :tenant_id AND u.usage_type = ANY(:usage_types) AND u.occurred_at < s.stop
           AND u.occurred_at >= greatest(s.start, s.period_end - interval '1 hour')
           AND u.recorded_at - u.occurred_at <= interval '1 hour' AND u.recorded_at >= s.period_end {{filters}}
      ) late
     GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Late:
    """What came late. The quantity of a level is its readings added up, which means nothing: do not show it."""

    quantity: int = 0
    events: int = 0

    def __add__(self, other: Late) -> Late:
        return Late(self.quantity + other.quantity, self.events + other.events)


def segment_parameters(segments: Sequence[Segment]) -> dict[str, list[datetime]]:
    """The values that `SEGMENTS` needs."""
    return {
        "starts": [segment.start for segment in segments],
        "stops": [segment.stop for segment in segments],
        "ends": [segment.period_end for segment in segments],
    }


def late_by_slot(
    session: Session, tenant_id: int, span: Range, usage_types: list[str], slot: str, filters: UsageFilters
) -> dict[tuple[str, datetime], Late]:
    """What came late of each type, by the `slot` ("hour" or "day", UTC) in which it happened."""
    return _late(session, tenant_id, span.closed, usage_types, slot, filters)


def late_by_type(session: Session, tenant_id: int, span: Range, usage_types: list[str]) -> dict[str, Late]:
    """What came late of each type; types without are absent."""
    return late_in_segments(session, tenant_id, span.closed, usage_types)


def late_in_segments(
    session: Session, tenant_id: int, segments: Sequence[Segment], usage_types: list[str]
) -> dict[str, Late]:
    """What of these spans was recorded at or after each one's `period_end`, by type; types without are absent."""
    found: dict[str, Late] = {}
    for (usage_type, _), late in _late(session, tenant_id, segments, usage_types, "day", UsageFilters()).items():
        found[usage_type] = found.get(usage_type, Late()) + late
    return found


def late_by_day(session: Session, tenant_id: int, segments: Sequence[Segment], usage_type: str) -> dict[date, Late]:
    """What of these spans was recorded at or after each one's `period_end`, by the UTC day in which it happened."""
    found = _late(session, tenant_id, segments, [usage_type], "day", UsageFilters())
    return {slot.astimezone(UTC).date(): late for (_, slot), late in found.items()}


def _late(
    session: Session,
    tenant_id: int,
    segments: Sequence[Segment],
    usage_types: list[str],
    slot: str,
    filters: UsageFilters,
) -> dict[tuple[str, datetime], Late]:
    if not segments:
        return {}
    rows = session.execute(
        text(_LATE.format(filters=filters.condition())),
        {
            "tenant_id": tenant_id,
            "usage_types": usage_types,
            "slot": slot,
            **segment_parameters(segments),
            **filters.parameters(),
        },
    )
    return {(row.usage_type, row.slot): Late(int(row.quantity), row.events) for row in rows}
