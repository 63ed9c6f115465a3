"""Exact totals of any range: whole buckets from the rollups, cut hours and filtered reports from the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.buckets import LEVEL
from dashboard.billing.ranges import Range
from dashboard.billing.usage_filters import UsageFilters
from dashboard.billing.usage_types import LEVELS

# `latest` is the last reading of a level; sums have no use for it and are spared its sort.
_ROLLUPS = f"""
    SELECT usage_type, {{slot}} AS slot, sum(quantity) AS quantity, sum(events) AS events,
           max(recorded_at) AS recorded_at,
           (array_agg(quantity ORDER BY bucket_start DESC) FILTER (WHERE {LEVEL}))[1] AS latest
      FROM usage_rollups
     WHERE tenant_id = :tenant_id AND usage_type = ANY(:usage_types) AND events > 0
       AND bucket_start >= :start AND bucket_start < :stop
     GROUP BY 1, 2
"""

_LEDGER = f"""
    SELECT u.usage_type, {{slot}} AS slot, sum(u.quantity) AS quantity, count(*) AS events,
           max(u.recorded_at) AS recorded_at,
           (array_agg(u.quantity ORDER BY u.occurred_at DESC, u.quantity DESC)
               FILTER (WHERE {LEVEL}))[1] AS latest
      FROM billing_usage u
     WHERE u.tenant_id = :tenant_id AND u.usage_type = ANY(:usage_types)
       AND u.occurred_at >= :start AND u.occurred_at < :stop {{filters}}
     GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Total:
    """A sum, or the latest reading of a level, with the number of ledger rows behind it."""

    quantity: int = 0
    events: int = 0
    recorded_at: datetime | None = None


def totals_by_type(session: Session, tenant_id: int, span: Range, usage_types: list[str]) -> dict[str, Total]:
    """The total of each type in the range; types without usage are absent."""
    rows = _read(session, tenant_id, span, usage_types, None, UsageFilters())
    return {usage_type: total for (usage_type, _), total in _merge(rows).items()}


def totals_by_slot(
    session: Session, tenant_id: int, span: Range, usage_type: str, slot: str, filters: UsageFilters
) -> dict[datetime, Total]:
    """The totals of one type by the `slot` ("hour" or "day", UTC) they begin in; empty slots are absent."""
    rows = _read(session, tenant_id, span, [usage_type], slot, filters)
    return {start: total for (_, start), total in _merge(rows).items()}


def _read(
    session: Session, tenant_id: int, span: Range, usage_types: list[str], slot: str | None, filters: UsageFilters
) -> Iterable[Any]:
    """Rows in the order of time: the later ones of a level count."""
    values = {"tenant_id": tenant_id, "usage_types": usage_types, "slot": slot, **filters.parameters()}
    bucket, moment = (
        (f"date_trunc(:slot, {column}, 'UTC')" if slot else "NULL") for column in ("bucket_start", "u.occurred_at")
    )
    ledger = text(_LEDGER.format(slot=moment, filters=filters.condition()))
    if filters:
        return session.execute(ledger, {**values, "start": span.start, "stop": span.stop}).all()
    pieces = [(*piece, ledger) for piece in span.cut]
    if span.rollups:
        pieces.append((*span.rollups, text(_ROLLUPS.format(slot=bucket))))
    rows: list[Any] = []
    for start, stop, statement in sorted(pieces, key=lambda piece: piece[0]):
        rows += session.execute(statement, {**values, "start": start, "stop": stop})
    return rows


def _merge(rows: Iterable[Any]) -> dict[tuple[str, Any], Total]:
    merged: dict[tuple[str, Any], Total] = {}
    for row in rows:
        before = merged.get((row.usage_type, row.slot), Total())
        quantity = row.latest if row.usage_type in LEVELS else before.quantity + row.quantity
        recorded = max(filter(None, (before.recorded_at, row.recorded_at)), default=None)
        merged[row.usage_type, row.slot] = Total(int(quantity), before.events + int(row.events), recorded)
    return merged
