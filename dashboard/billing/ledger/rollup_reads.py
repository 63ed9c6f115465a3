"""Adding usage up out of three tables: whole UTC days, buckets of hours at their ends, ledger rows where hours are cut.

One statement reads several spans. What lies in a day's total is not read hour by hour, so a report costs the number of
its days, whatever the size of the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from dashboard.billing.ledger.usage_filters import UsageFilters
from dashboard.billing.ledger.usage_types import LEVELS

DAY = timedelta(days=1)
NOTHING = UsageFilters()

# Sums are added up by hashing; only levels, of which the last reading counts, need the order of time. In one query with
# one aggregate for both, PostgreSQL would sort every row.
_QUANTITIES = {
    "sums": "sum(u.quantity)::bigint",
    "levels": "(array_agg(u.quantity ORDER BY u.{time} DESC, u.quantity DESC))[1]",
}
# All pieces of a table at once: to plan a select for each takes longer than to read them.
_BUCKETS = """
    SELECT p.n, r.* FROM (VALUES {pieces}) AS p (n, start, stop)
     CROSS JOIN LATERAL (
       SELECT u.usage_type, {slot}, {quantity}, sum(u.events)::bigint, max(u.recorded_at) FROM {table} u
        WHERE u.tenant_id = :tenant_id AND u.usage_type = ANY(:{names}) AND u.{time} >= p.start AND u.{time} < p.stop
          AND u.events > 0 GROUP BY 1, 2) AS r"""
# A select for each piece of the ledger, which may be large: how large, its plan should know.
_LEDGER = """
    SELECT {n}, u.usage_type, {slot}, {quantity}, count(*)::bigint, max(u.recorded_at)
      FROM billing_usage u
     WHERE u.tenant_id = :tenant_id AND u.usage_type = ANY(:{names}) AND u.{time} >= :start{n} AND u.{time} < :stop{n}
           {condition} GROUP BY 2, 3"""


class Total(NamedTuple):
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
    kinds = tuple(which for which in names if names[which])
    if ordered and kinds:
        statement = _statement(
            tuple(piece.table for piece in ordered), kinds, filters.condition(), has_slots=bool(slot)
        )
        values: dict[str, Any] = {"tenant_id": tenant_id, **names, **filters.parameters(), "slot": slot}
        values |= {f"start{n}": piece.start for n, piece in enumerate(ordered)}
        values |= {f"stop{n}": piece.stop for n, piece in enumerate(ordered)}
        rows = session.execute(statement, values).all()
        for n, usage_type, moment, quantity, events, recorded_at in sorted(rows, key=itemgetter(0)):
            _add(found[ordered[n].span], (usage_type, moment or EVER), Total(quantity, events, recorded_at))
    return found


@lru_cache(maxsize=200)
def _statement(tables: tuple[str, ...], kinds: tuple[str, ...], condition: str, *, has_slots: bool) -> TextClause:
    """The same few statements are asked for ever again, and each is long to put together."""
    selects = []
    for kind in kinds:
        for table in dict.fromkeys(tables):
            time, places = _TIMES[table], [n for n, each in enumerate(tables) if each == table]
            common = {
                "names": kind,
                "time": time,
                "slot": f"date_trunc(CAST(:slot AS text), u.{time}, 'UTC')" if has_slots else "NULL::timestamptz",
                "quantity": _QUANTITIES[kind].format(time=time),
            }
            if table == "billing_usage":
                selects += [_LEDGER.format(n=n, condition=condition, **common) for n in places]
            else:
                pieces = ", ".join(
                    f"({n}, CAST(:start{n} AS timestamptz), CAST(:stop{n} AS timestamptz))" for n in places
                )
                selects.append(_BUCKETS.format(pieces=pieces, table=table, **common))
    return text(" UNION ALL ".join(" ".join(each.split()) for each in selects))


def _add(totals: dict[Key, Total], key: Key, found: Total) -> None:
    """What is found comes in the order of time: of a level the later one counts."""
    before = totals.get(key)
    if before is not None:
        quantity = found.quantity if key[0] in LEVELS else before.quantity + found.quantity
        recorded = max(filter(None, (before.recorded_at, found.recorded_at)), default=None)
        found = Total(quantity, before.events + found.events, recorded)
    totals[key] = found


def _next_midnight(moment: datetime) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if midnight == moment else midnight + DAY
