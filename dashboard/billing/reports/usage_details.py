"""The single actions behind a number, newest first, paged by key and not by offset."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput, NotFound
from dashboard.billing.fields import MAX_ID
from dashboard.billing.ledger.usage_filters import UsageFilters
from dashboard.billing.reports.late_usage import SEGMENTS, segment_parameters
from dashboard.billing.reports.ranges import Range, period_end_of

_COLUMNS = """
    SELECT u.id, u.usage_type, u.quantity, u.user_id, u.resource_type, u.resource_id, u.metadata, u.source,
           u.idempotency_key, u.occurred_at, u.recorded_at, u.corrects_id,
           (SELECT c.id FROM billing_usage c WHERE c.tenant_id = u.tenant_id AND c.corrects_id = u.id) AS corrected_by
      FROM billing_usage u
"""

_PAGE = f"""
    {_COLUMNS}
     WHERE u.tenant_id = :tenant_id AND u.usage_type = :usage_type
       AND u.occurred_at >= :start AND u.occurred_at < :stop {{more}}
     ORDER BY u.occurred_at DESC, u.id DESC
"""

_ONE = text(f"{_COLUMNS} WHERE u.tenant_id = :tenant_id AND u.id = :id")

_ONLY_LATE = f"""
    AND EXISTS (SELECT FROM {SEGMENTS}
                 WHERE u.occurred_at >= s.start AND u.occurred_at < s.stop AND u.recorded_at >= s.period_end)
"""
# The bound on the time alone lets the index begin at the right row.
_AFTER = " AND u.occurred_at <= :after_time AND (u.occurred_at, u.id) < (:after_time, :after_id)"


@dataclass(frozen=True, slots=True)
class UsageDetail:
    """One ledger row. `corrects_id` names the row it corrects, `corrected_by` the row that corrects it."""

    id: int
    usage_type: str
    quantity: int
    user_id: str | None
    resource_type: str | None
    resource_id: str | None
    metadata: dict[str, Any]
    source: str
    idempotency_key: str
    occurred_at: datetime
    recorded_at: datetime
    corrects_id: int | None
    corrected_by: int | None
    is_late: bool


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the next one holds what is older."""

    occurred_at: datetime
    id: int

    def encode(self) -> str:
        """As a cursor for the outside."""
        return urlsafe_b64encode(f"{self.occurred_at.isoformat()}|{self.id}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> Position:
    """Where to go on.

    Raises `InvalidInput` (field `cursor`) for anything that we did not give out.
    """
    try:
        written = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, _, id_ = written.partition("|")
        position = Position(datetime.fromisoformat(moment).astimezone(UTC), int(id_))
    except (NotBase64, ValueError, OverflowError):
        position = None
    if position is None or position.encode() != cursor.rstrip("=") or not 0 < position.id <= MAX_ID:
        raise InvalidInput("cursor", "must be the next_cursor of an answer, unchanged")
    return position


def list_details(
    session: Session,
    tenant_id: int,
    span: Range,
    usage_type: str,
    *,
    filters: UsageFilters,
    only_late: bool = False,
    after: Position | None = None,
    limit: int,
) -> tuple[list[UsageDetail], Position | None]:
    """Up to `limit` actions of one type, newest first, and where to go on; None at the end."""
    statement, values = _query(tenant_id, span, usage_type, filters, only_late=only_late, after=after)
    rows = session.execute(text(f"{statement} LIMIT :limit"), {**values, "limit": limit + 1}).all()
    found = [_detail(row, span) for row in rows[:limit]]
    is_more = len(rows) > limit
    return found, Position(found[-1].occurred_at, found[-1].id) if is_more else None


def find_detail(session: Session, tenant_id: int, event_id: int) -> UsageDetail:
    """One ledger row of this tenant.

    Raises `NotFound`.
    """
    row = session.execute(_ONE, {"tenant_id": tenant_id, "id": event_id}).first()
    if row is None:
        raise NotFound(f"no usage event {event_id}")
    is_late = row.recorded_at >= period_end_of(session, tenant_id, row.occurred_at)
    return UsageDetail(**row._mapping, is_late=is_late)


def _query(
    tenant_id: int, span: Range, usage_type: str, filters: UsageFilters, *, only_late: bool, after: Position | None
) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {
        "tenant_id": tenant_id,
        "usage_type": usage_type,
        "start": span.start,
        "stop": span.stop,
        **filters.parameters(),
    }
    more = filters.condition()
    if only_late:
        more += _ONLY_LATE
        values |= segment_parameters(span.closed)
    if after is not None:
        more += _AFTER
        values |= {"after_time": after.occurred_at, "after_id": after.id}
    return _PAGE.format(more=more), values


def _detail(row: Any, span: Range) -> UsageDetail:
    return UsageDetail(**row._mapping, is_late=span.is_late(row.occurred_at, row.recorded_at))
