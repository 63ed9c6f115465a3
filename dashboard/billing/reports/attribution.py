"""Who and what is behind a number: usage by user, resource or metadata key. The groups add up to the total."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.fields import need_text
from dashboard.billing.ledger.buckets import LATEST
from dashboard.billing.ledger.rollup_reads import Total
from dashboard.billing.ledger.usage_filters import UsageFilters
from dashboard.billing.ledger.usage_types import UsageType
from dashboard.billing.reports.ranges import Range

METADATA = "metadata."
# (what a group is called, its resource type) in SQL.
_KEYS: Mapping[str, tuple[str, str]] = {
    "user": ("u.user_id", "NULL::text"),
    "resource_type": ("u.resource_type", "NULL::text"),
    "resource": ("u.resource_id", "u.resource_type"),
}

# One statement sees one state of the ledger: what is not among the first groups is the difference, exactly.
_GROUPS = """
    WITH grouped AS (
        SELECT {key} AS key, {kind} AS resource_type, count(*) AS events, max(u.recorded_at) AS recorded_at,
               sum(u.quantity) AS summed,
               {latest} AS latest,
               max(u.occurred_at) AS last_at
          FROM billing_usage u
         WHERE u.tenant_id = :tenant_id AND u.usage_type = :usage_type
           AND u.occurred_at >= :start AND u.occurred_at < :stop {filters}
         GROUP BY 1, 2)
    SELECT key, resource_type, events, {quantity} AS quantity,
           sum(summed) OVER () AS all_summed, sum(events) OVER () AS all_events, count(*) OVER () AS all_groups,
           max(recorded_at) OVER () AS all_recorded_at,
           first_value(latest) OVER (ORDER BY last_at DESC, latest DESC) AS all_latest
      FROM grouped ORDER BY quantity DESC, key NULLS LAST, resource_type NULLS LAST LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class Group:
    """The usage of one user, resource or metadata value; `key` None gathers what names none."""

    key: str | None
    resource_type: str | None
    quantity: int
    events: int


@dataclass(frozen=True, slots=True)
class Attribution:
    """The largest groups, what the others have together (None for a level, which does not add up), and the total."""

    groups: tuple[Group, ...]
    other_groups: int
    other: Total | None
    total: Total


def attribute_usage(
    session: Session,
    tenant_id: int,
    span: Range,
    kind: UsageType,
    *,
    group_by: str,
    limit: int,
    filters: UsageFilters,
) -> Attribution:
    """One type of a range by `group_by`: `user`, `resource_type`, `resource` or `metadata.<key>`, largest first.

    Raises `InvalidInput` (`group_by`).
    """
    key, resource_type, values = _group_key(group_by)
    quantity = "latest" if kind.is_level else "summed"
    statement = _GROUPS.format(
        key=key, kind=resource_type, latest=LATEST, quantity=quantity, filters=filters.condition()
    )
    rows = session.execute(
        text(statement),
        {
            "tenant_id": tenant_id,
            "usage_type": kind.name,
            "start": span.start,
            "stop": span.stop,
            "limit": limit,
            **values,
            **filters.parameters(),
        },
    ).all()
    groups = tuple(Group(row.key, row.resource_type, int(row.quantity), row.events) for row in rows)
    return _attribution(groups, rows[0] if rows else None, kind)


def _group_key(group_by: str) -> tuple[str, str, dict[str, str]]:
    if group_by in _KEYS:
        return (*_KEYS[group_by], {})
    if group_by.startswith(METADATA) and len(group_by) > len(METADATA):
        name = need_text(group_by.removeprefix(METADATA), "group_by")
        return "u.metadata ->> CAST(:g_key AS text)", "NULL::text", {"g_key": name}
    raise InvalidInput("group_by", f"must be one of {', '.join(_KEYS)} or metadata.<key>")


def _attribution(groups: tuple[Group, ...], first: Any, kind: UsageType) -> Attribution:
    if first is None:
        return Attribution((), 0, None if kind.is_level else Total(), Total())
    total = Total(
        int(first.all_latest if kind.is_level else first.all_summed), int(first.all_events), first.all_recorded_at
    )
    other = Total(
        total.quantity - sum(group.quantity for group in groups), total.events - sum(group.events for group in groups)
    )
    return Attribution(groups, first.all_groups - len(groups), None if kind.is_level else other, total)
