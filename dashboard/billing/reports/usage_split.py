"""Usage split by user or resource, slot by slot: read from the ledger, so only where what is to be read is bounded.

ADR 0039 says why there are no totals by user.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.ledger.rollup_reads import EVER
from dashboard.billing.ledger.usage_filters import UsageFilters
from dashboard.billing.reports.ranges import Range

# Ledger rows that one page reads at most: some 50 ms of work (ADR 0039).
MOST_ROWS = 20_000

_KEYS = {
    "user": ("u.user_id", "NULL::text"),
    "resource_type": ("u.resource_type", "NULL::text"),
    "resource": ("u.resource_id", "u.resource_type"),
}

# One statement sees one state of the ledger: the groups and what the others have together are all there is.
_SPLIT = """
    WITH grouped AS MATERIALIZED (
        SELECT {slot} AS slot, {key} AS key, {kind} AS kind, sum(u.quantity) AS quantity, count(*) AS events
          FROM billing_usage u
         WHERE u.tenant_id = :tenant_id AND u.usage_type = ANY(:usage_types)
           AND u.occurred_at >= :start AND u.occurred_at < :stop {filters}
         GROUP BY 1, 2, 3
    ), ranked AS MATERIALIZED (
        SELECT key, kind, row_number() OVER (ORDER BY sum(quantity) DESC, key NULLS LAST, kind NULLS LAST) AS place,
               count(*) OVER () AS groups
          FROM grouped GROUP BY key, kind
    ), first AS MATERIALIZED (SELECT * FROM ranked WHERE place <= :limit)
    SELECT g.slot, f.place, f.key, f.kind, sum(g.quantity)::bigint AS quantity, sum(g.events)::bigint AS events,
           (SELECT max(groups) FROM first) AS groups
      FROM grouped g LEFT JOIN first f ON (g.key, g.kind) IS NOT DISTINCT FROM (f.key, f.kind)
     GROUP BY g.slot, f.place, f.key, f.kind
"""


@dataclass(slots=True)
class Part:
    """The usage of one user or resource: its total, the actions behind it, and how much of it fell in which slot.

    `key` None gathers what names none.
    """

    key: str | None
    resource_type: str | None
    quantity: int = 0
    events: int = 0
    slots: dict[datetime, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Split:
    """The largest parts, the largest first, and what the `other_groups` have together (None: there are no others)."""

    parts: list[Part]
    other: Part | None
    other_groups: int


def split_usage(
    session: Session,
    tenant_id: int,
    span: Range,
    usage_types: Sequence[str],
    *,
    group_by: str,
    slot: str | None,
    filters: UsageFilters,
    limit: int,
) -> Split:
    """Sums of a range by `group_by` (`user`, `resource_type` or `resource`) and `slot` ("hour", "day" UTC, None).

    The caller makes sure that there are not too many rows (`MOST_ROWS`) and no level among the types.
    """
    key, kind = _KEYS[group_by]
    statement = _SPLIT.format(
        slot="date_trunc(CAST(:slot AS text), u.occurred_at, 'UTC')" if slot else "NULL::timestamptz",
        key=key,
        kind=kind,
        filters=filters.condition(),
    )
    rows = session.execute(
        text(statement),
        {
            "tenant_id": tenant_id,
            "usage_types": list(usage_types),
            "start": span.start,
            "stop": span.stop,
            "slot": slot,
            "limit": limit,
            **filters.parameters(),
        },
    ).all()
    found: dict[int, Part] = {}
    for row in rows:
        _add(found.setdefault(row.place or limit + 1, Part(row.key, row.kind)), row)
    other = found.pop(limit + 1, None)
    groups = rows[0].groups if rows else 0
    return Split([found[place] for place in sorted(found)], other, groups - len(found))


def _add(part: Part, row: Any) -> None:
    part.quantity += row.quantity
    part.events += row.events
    part.slots[row.slot or EVER] = row.quantity
