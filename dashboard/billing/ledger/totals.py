"""Sums over the rollups, for any span that begins and ends on a bucket's edge."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy.orm import Session

from dashboard.billing.ledger.rollup_reads import Total, read_pieces, whole_buckets


def totals_between(
    session: Session, tenant_id: int, usage_types: list[str], start: datetime, stop: datetime
) -> dict[str, int]:
    """The total of each type in `[start, stop)`; for a level the latest reading. Types without usage are absent."""
    return _quantities(totals_of_spans(session, tenant_id, usage_types, [(start, stop)])[0])


def totals_of_spans(
    session: Session, tenant_id: int, usage_types: list[str], spans: list[tuple[datetime, datetime]]
) -> list[dict[str, Total]]:
    """The totals of each type in each span, all in one statement."""
    pieces = [piece for n, (start, stop) in enumerate(spans) for piece in whole_buckets(n, start, stop, None)]
    found = read_pieces(session, tenant_id, pieces, usage_types)
    found += [{} for _ in spans[len(found) :]]
    return [{name: total for (name, _), total in each.items()} for each in found]


def totals_by_day(
    session: Session, tenant_id: int, usage_types: list[str], start: datetime, stop: datetime
) -> dict[tuple[str, date], int]:
    """The total of each type and UTC day in `[start, stop)`; for a level the day's latest reading."""
    pieces = whole_buckets(0, start, stop, "day")
    found = read_pieces(session, tenant_id, pieces, usage_types, "day")
    return {(name, day.date()): total.quantity for each in found for (name, day), total in each.items()}


def _quantities(totals: dict[str, Total]) -> dict[str, int]:
    return {name: total.quantity for name, total in totals.items()}
