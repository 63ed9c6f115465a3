"""Adding usage up out of three tables: whole UTC days, buckets of hours at their ends, ledger rows where hours are cut.

One statement reads several spans. What lies in a day's total is not read hour by hour, so a report costs the number of
its days, whatever the size of the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.usage_filters import UsageFilters
from dashboard.billing.usage_types import LEVELS

DAY = timedelta(days=1)
NOTHING = UsageFilters()

# Sums are added up by hashing; only levels, of which the last reading counts, need the order of time. In one query with
# one aggregate for both, PostgreSQL would sort every row.
_SUMS = """
    SELECT {n} AS piece, u.usage_type, {slot} AS slot, sum(u.quantity)::bigint AS quantity,
           {events}::bigint AS events, max(u.recorded_at) AS recorded_at
      FROM {table} u
     WHERE u.tenant_id = :tenant_id AND u.usage_type = ANY(:{names}) AND u.{time} >= :start{n} AND u.{time} < :stop{n}
           {more} GROUP BY 2, 3"""
_LEVELS = _SUMS.replace("sum(u.quantity)::bigint", "(array_agg(u.quantity ORDER BY u.{time} DESC, u.quantity DESC))[1]")


@dataclass(frozen=True, slots=True)
class Total:
    """A sum, or the latest reading of a level, with the number of ledger rows behind it."""

    quantity: int = 0
    events: int = 0
    recorded_at: datetime | None = None


# Type and slot; where there are no slots, `EVER` stands for the whole span.
EVER = datetime(2000, 1, 1, tzinfo=UTC)
Key = tuple[str, datetime]


@dataclass(frozen=True, slots=True)
class Piece:
    """The part `[start, stop)` of a span that is read from `table`."""

    span: int
    table: str
    start: datetime
    stop: datetime


_TIMES = {"usage_days": "day_start", "usage_rollups": "bucket_start", "billing_usage": "occurred_at"}


def whole_buckets(span: int, start: datetime, stop: datetime, slot: str | None) -> list[Piece]:
    """What covers `[start, stop)`, whose ends are edges of buckets: days where whole ones lie in it, unless by hour."""
    first, last = _next_midnight(start), stop.replace(hour=0, minute=0, second=0, microsecond=0)
    if slot == "hour" or first >= last:
        parts = [("usage_rollups", start, stop)]
    else:
        parts = [("usage_rollups", start, first), ("usage_days", first, last), ("usage_rollups", last, stop)]
    return [Piece(span, table, a, b) for table, a, b in parts if a < b]


def read_pieces(
    session: Session,
    tenant_id: int,
    pieces: Sequence[Piece],
    usage_types: Sequence[str],
    slot: str | None = None,
    filters: UsageFilters = NOTHING,
) -> list[dict[Key, Total]]:
    """Totals by type and `slot` ("hour" or "day" UTC, None for all in one) of each span, in the order of their numbers.

    Types and slots without usage are absent. `filters` hold for pieces of the ledger; other tables know no users.
    """
    found: list[dict[Key, Total]] = [{} for _ in range(max((piece.span for piece in pieces), default=-1) + 1)]
    ordered = sorted(pieces, key=lambda piece: piece.start)
    names = {
        "sums": [name for name in usage_types if name not in LEVELS],
        "levels": [name for name in usage_types if name in LEVELS],
    }
    selects = [
        _select(n, piece, which, slot, filters) for n, piece in enumerate(ordered) for which in names if names[which]
    ]
    if selects:
        values: dict[str, Any] = {"tenant_id": tenant_id, **names, **filters.parameters(), "slot": slot}
        values |= {f"start{n}": piece.start for n, piece in enumerate(ordered)}
        values |= {f"stop{n}": piece.stop for n, piece in enumerate(ordered)}
        rows = session.execute(text(" UNION ALL ".join(selects)), values).all()
        for row in sorted(rows, key=lambda row: row.piece):
            _add(found[ordered[row.piece].span], row)
    return found


def _select(n: int, piece: Piece, which: str, slot: str | None, filters: UsageFilters) -> str:
    time = _TIMES[piece.table]
    is_ledger = piece.table == "billing_usage"
    return (_SUMS if which == "sums" else _LEVELS).format(
        n=n,
        table=piece.table,
        time=time,
        names=which,
        slot=f"date_trunc(CAST(:slot AS text), u.{time}, 'UTC')" if slot else "NULL::timestamptz",
        events="count(*)" if is_ledger else "sum(u.events)",
        more=filters.condition() if is_ledger else " AND u.events > 0",
    )


def _add(totals: dict[Key, Total], row: Any) -> None:
    """Rows come in the order of time: of a level the later one counts."""
    key = row.usage_type, row.slot or EVER
    before = totals.get(key, Total())
    quantity = row.quantity if row.usage_type in LEVELS else before.quantity + row.quantity
    recorded = max(filter(None, (before.recorded_at, row.recorded_at)), default=None)
    totals[key] = Total(quantity, before.events + row.events, recorded)


def _next_midnight(moment: datetime) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if midnight == moment else midnight + DAY
