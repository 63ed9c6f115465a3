"""Exact totals of any range: whole days and buckets from the rollups, what is cut or filtered from the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from dashboard.billing.ledger.rollup_reads import NOTHING, Key, Piece, Total, read_pieces, whole_buckets
from dashboard.billing.ledger.usage_filters import UsageFilters
from dashboard.billing.reports.ranges import Range


def totals_by_type(session: Session, tenant_id: int, span: Range, usage_types: list[str]) -> dict[str, Total]:
    """The total of each type in the range; types without usage are absent."""
    (found,) = totals_of_ranges(session, tenant_id, [span], usage_types)
    return {usage_type: total for (usage_type, _), total in found.items()}


def totals_by_slot(
    session: Session, tenant_id: int, span: Range, usage_type: str, slot: str, filters: UsageFilters
) -> dict[datetime, Total]:
    """The totals of one type by the `slot` ("hour" or "day", UTC) they begin in; empty slots are absent."""
    (found,) = totals_of_ranges(session, tenant_id, [span], [usage_type], slot, filters)
    return {start: total for (_, start), total in found.items()}


def totals_of_ranges(
    session: Session,
    tenant_id: int,
    spans: Sequence[Range],
    usage_types: Sequence[str],
    slot: str | None = None,
    filters: UsageFilters = NOTHING,
) -> list[dict[Key, Total]]:
    """The totals of each range by type and slot, all ranges in one statement."""
    pieces = [piece for n, span in enumerate(spans) for piece in _pieces(n, span, slot, filters)]
    found = read_pieces(session, tenant_id, pieces, usage_types, slot, filters)
    return found + [{} for _ in spans[len(found) :]]


def _pieces(n: int, span: Range, slot: str | None, filters: UsageFilters) -> list[Piece]:
    if filters:
        return [Piece(n, "billing_usage", span.start, span.stop)]
    cut = [Piece(n, "billing_usage", start, stop) for start, stop in span.cut]
    return cut + (whole_buckets(n, *span.rollups, slot) if span.rollups else [])
