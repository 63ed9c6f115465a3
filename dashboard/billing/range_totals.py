"""Exact totals of any range: whole buckets from the rollups, cut hours and filtered reports from the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from dashboard.billing.ranges import Range
from dashboard.billing.usage_filters import UsageFilters
from dashboard.billing.usage_types import LEVELS

# Sums are added up by hashing; only levels, of which the last reading counts, need the order of time. In one query with
# one aggregate for both, PostgreSQL would sort every row.
_PARTS = """
    SELECT usage_type, {slot} AS slot, sum(quantity) AS quantity, {events} AS events,
           max(recorded_at) AS recorded_at, NULL::bigint AS latest
      FROM {table} WHERE tenant_id = :tenant_id AND usage_type = ANY(:sums) AND {where}
     GROUP BY 1, 2
    UNION ALL
    SELECT usage_type, {slot} AS slot, sum(quantity) AS quantity, {events} AS events,
           max(recorded_at) AS recorded_at, (array_agg(quantity ORDER BY {order}))[1] AS latest
      FROM {table} WHERE tenant_id = :tenant_id AND usage_type = ANY(:levels) AND {where}
     GROUP BY 1, 2
"""


def _rollups(slot: str | None) -> TextClause:
    return text(
        _PARTS.format(
            table="usage_rollups",
            slot="date_trunc(:slot, bucket_start, 'UTC')" if slot else "NULL",
            events="sum(events)",
            order="bucket_start DESC",
            where="events > 0 AND bucket_start >= :start AND bucket_start < :stop",
        )
    )


def _ledger(slot: str | None, filters: UsageFilters) -> TextClause:
    return text(
        _PARTS.format(
            table="billing_usage u",
            slot="date_trunc(:slot, occurred_at, 'UTC')" if slot else "NULL",
            events="count(*)",
            order="occurred_at DESC, quantity DESC",
            where=f"occurred_at >= :start AND occurred_at < :stop {filters.condition()}",
        )
    )


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
    values = {
        "tenant_id": tenant_id,
        "sums": [name for name in usage_types if name not in LEVELS],
        "levels": [name for name in usage_types if name in LEVELS],
        "slot": slot,
        **filters.parameters(),
    }
    if filters:
        return session.execute(_ledger(slot, filters), {**values, "start": span.start, "stop": span.stop}).all()
    pieces = [(*piece, _ledger(slot, filters)) for piece in span.cut]
    if span.rollups:
        pieces.append((*span.rollups, _rollups(slot)))
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
