"""Messages for tenants' endpoints, written in the transaction of the change that they tell of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

_MESSAGES = text(
    """
    INSERT INTO webhook_messages (tenant_id, key, event_type, body, created_at)
    SELECT m.tenant_id, m.key, m.event_type, m.body, CAST(:now AS timestamptz)
      FROM jsonb_to_recordset(CAST(:messages AS jsonb))
           AS m (place int, tenant_id bigint, key text, event_type text, body text)
     ORDER BY m.place
    ON CONFLICT (tenant_id, key) DO NOTHING
    RETURNING tenant_id, id, event_type
    """
)
_DELIVERIES = text(
    """
    INSERT INTO webhook_deliveries (tenant_id, message_id, endpoint_id, next_attempt_at, created_at)
    SELECT e.tenant_id, m.id, e.id, CAST(:now AS timestamptz), CAST(:now AS timestamptz)
      FROM unnest(CAST(:tenants AS bigint[]), CAST(:ids AS bigint[]), CAST(:types AS text[]))
           AS m (tenant_id, id, event_type)
      JOIN webhook_endpoints e ON e.tenant_id = m.tenant_id AND e.enabled
     WHERE CASE WHEN CAST(:only_to AS bigint) IS NULL THEN m.event_type = ANY (e.event_types) ELSE e.id = :only_to END
     ORDER BY m.id, e.id
    """
)


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something a tenant is to hear of, once for each `key`. `data` is JSON."""

    tenant_id: int
    event_type: str
    data: Mapping[str, object]
    key: str


def announce_all(
    session: Session, announcements: Sequence[Announcement], now: datetime, *, only_to: int | None = None
) -> int:
    """Write messages, and a delivery of each for every endpoint that wants it; answers how many were new.

    Deliveries of an endpoint are sent in the order given here. `only_to` names the one endpoint that gets them,
    whatever it asked for. The caller commits, then enqueues.
    """
    if not announcements:
        return 0
    messages = [
        {
            "place": place,
            "tenant_id": each.tenant_id,
            "key": each.key,
            "event_type": each.event_type,
            "body": _body(each, now),
        }
        for place, each in enumerate(announcements)
    ]
    new = session.execute(_MESSAGES, {"messages": msgspec.json.encode(messages).decode(), "now": now}).all()
    if new:
        scope = {
            "tenants": [row.tenant_id for row in new],
            "ids": [row.id for row in new],
            "types": [row.event_type for row in new],
        }
        session.execute(_DELIVERIES, {**scope, "only_to": only_to, "now": now})
    return len(new)


def _body(announcement: Announcement, now: datetime) -> str:
    told = {"type": announcement.event_type, "timestamp": now.isoformat(), "data": announcement.data}
    return json.dumps(told, ensure_ascii=False)
