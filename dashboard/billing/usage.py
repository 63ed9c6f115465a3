"""`record_usage()`: the one way into the ledger. Row and rollup are one statement, so they cannot disagree."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, text
from sqlalchemy.orm import Session

from dashboard.billing.errors import IdempotencyConflict, InvalidInput, NotFound
from dashboard.billing.usage_input import UsageInput
from dashboard.billing.usage_types import LEVELS
from dashboard.models import UsageEvent

_LEVELS = ", ".join(f"'{name}'" for name in LEVELS)

# The bucket of a moment: its hour, or the last boundary of a billing period inside that hour before it.
BUCKET_OF = """
    COALESCE(
        (SELECT max(edge) FROM (
            SELECT p.starts_at AS edge FROM billing_periods p
             WHERE p.tenant_id = {tenant} AND p.starts_at > date_trunc('hour', {moment}, 'UTC')
               AND p.starts_at <= {moment}
            UNION ALL
            SELECT p.ends_at FROM billing_periods p
             WHERE p.tenant_id = {tenant} AND p.ends_at > date_trunc('hour', {moment}, 'UTC')
               AND p.ends_at <= {moment}) AS edges),
        date_trunc('hour', {moment}, 'UTC'))
"""

# ON CONFLICT keeps to columns and EXCLUDED: functions there would not run on a distributed table.
_RECORD = text(
    f"""
    WITH input AS (
        SELECT * FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS e (
            position int, usage_type text, quantity bigint, user_id text, resource_type text, resource_id text,
            metadata jsonb, idempotency_key text, fingerprint text, occurred_at timestamptz, corrects_id bigint)
    ), recorded AS (
        INSERT INTO billing_usage (tenant_id, usage_type, quantity, user_id, resource_type, resource_id, metadata,
                                   source, idempotency_key, fingerprint, occurred_at, recorded_at, corrects_id)
        SELECT :tenant_id, usage_type, quantity, user_id, resource_type, resource_id, metadata,
               :source, idempotency_key, decode(fingerprint, 'hex'), occurred_at, :now, corrects_id
          FROM input ORDER BY position
        ON CONFLICT (tenant_id, idempotency_key) DO NOTHING
        RETURNING id, usage_type, quantity, idempotency_key, occurred_at
    ), bucketed AS (
        SELECT r.*, {BUCKET_OF.format(tenant=":tenant_id", moment="r.occurred_at")} AS bucket_start FROM recorded r
    ), rolled_up AS (
        INSERT INTO usage_rollups (tenant_id, usage_type, bucket_start, quantity, events, last_at, recorded_at)
        SELECT :tenant_id, usage_type, bucket_start,
               CASE WHEN usage_type IN ({_LEVELS}) THEN (array_agg(quantity ORDER BY occurred_at DESC, id DESC))[1]
                    ELSE sum(quantity) END,
               count(*), max(occurred_at), :now
          FROM bucketed GROUP BY usage_type, bucket_start ORDER BY usage_type, bucket_start
        ON CONFLICT (tenant_id, usage_type, bucket_start) DO UPDATE SET
            quantity = CASE WHEN EXCLUDED.usage_type NOT IN ({_LEVELS})
                                 THEN usage_rollups.quantity + EXCLUDED.quantity
                            WHEN EXCLUDED.last_at >= usage_rollups.last_at THEN EXCLUDED.quantity
                            ELSE usage_rollups.quantity END,
            events = usage_rollups.events + EXCLUDED.events,
            last_at = CASE WHEN EXCLUDED.last_at > usage_rollups.last_at THEN EXCLUDED.last_at
                           ELSE usage_rollups.last_at END,
            recorded_at = EXCLUDED.recorded_at
    )
    SELECT id, idempotency_key FROM recorded
    """
).bindparams(bindparam("tenant_id"), bindparam("source"), bindparam("now"))

# Every writer of a tenant's buckets holds this lock, in a statement of its own: the next statement then sees all
# period boundaries there are, and `rollups.rebucket` (which takes it exclusively) sees all rows.
_HOLD_TENANT = text("SELECT id FROM tenants WHERE id = :tenant_id FOR KEY SHARE")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one usage event: its ledger id, and whether this call wrote it."""

    id: int
    idempotency_key: str
    is_new: bool


def record_usage(session: Session, tenant_id: int, event: UsageInput, *, source: str, now: datetime) -> Recorded:
    """Record one usage event. See `record_usages`."""
    return record_usages(session, tenant_id, [event], source=source, now=now)[0]


def record_usages(
    session: Session, tenant_id: int, events: Sequence[UsageInput], *, source: str, now: datetime
) -> list[Recorded]:
    """Append events to the ledger and add them to the rollups; repeated keys change nothing.

    Answers one `Recorded` for each event, in order. `source` says which service reported it, `now` (aware UTC)
    is the time of record. Nothing is stored unless the caller commits.

    Raises `NotFound` (no such tenant), `IdempotencyConflict` (a key with another body), `InvalidInput`
    (a correction of nothing).
    """
    distinct = _distinct(events)
    if session.execute(_HOLD_TENANT, {"tenant_id": tenant_id}).first() is None:
        raise NotFound(f"no tenant {tenant_id}")
    corrected = _corrected_times(session, tenant_id, list(distinct.values()))
    rows = [_as_row(position, event, corrected, now) for position, event in enumerate(distinct.values())]
    written = session.execute(
        _RECORD, {"tenant_id": tenant_id, "source": source, "now": now, "events": json.dumps(rows)}
    )
    new = {row.idempotency_key: row.id for row in written}
    known = _known(session, tenant_id, [event for key, event in distinct.items() if key not in new])
    seen: set[str] = set()
    answer = []
    for event in events:
        key = event.idempotency_key
        answer.append(Recorded(new.get(key) or known[key], key, key in new and key not in seen))
        seen.add(key)
    return answer


def _distinct(events: Sequence[UsageInput]) -> dict[str, UsageInput]:
    distinct: dict[str, UsageInput] = {}
    for event in events:
        first = distinct.setdefault(event.idempotency_key, event)
        if first.fingerprint != event.fingerprint:
            raise IdempotencyConflict(event.idempotency_key)
    return distinct


def _known(session: Session, tenant_id: int, events: list[UsageInput]) -> dict[str, int]:
    if not events:
        return {}
    rows = session.execute(
        select(UsageEvent.idempotency_key, UsageEvent.id, UsageEvent.fingerprint).where(
            UsageEvent.tenant_id == tenant_id,
            UsageEvent.idempotency_key.in_([event.idempotency_key for event in events]),
        )
    )
    stored = {key: (id_, bytes(print_)) for key, id_, print_ in rows}
    for event in events:
        if stored[event.idempotency_key][1] != event.fingerprint:
            raise IdempotencyConflict(event.idempotency_key)
    return {key: id_ for key, (id_, _) in stored.items()}


def _corrected_times(session: Session, tenant_id: int, events: list[UsageInput]) -> dict[int, datetime]:
    """When the corrected actions happened: a correction without a time belongs to the same hour."""
    ids = {event.corrects_id for event in events if event.corrects_id is not None}
    if not ids:
        return {}
    rows = session.execute(
        select(UsageEvent.id, UsageEvent.usage_type, UsageEvent.occurred_at).where(
            UsageEvent.tenant_id == tenant_id, UsageEvent.id.in_(ids)
        )
    )
    found = {id_: (usage_type, occurred_at) for id_, usage_type, occurred_at in rows}
    for event in events:
        if event.corrects_id is not None and found.get(event.corrects_id, ("",))[0] != event.usage_type:
            raise InvalidInput(
                "corrects_id", f"must name a {event.usage_type} event of this tenant; {event.corrects_id} is none"
            )
    return {id_: occurred_at for id_, (_, occurred_at) in found.items()}


def _as_row(position: int, event: UsageInput, corrected: dict[int, datetime], now: datetime) -> dict[str, object]:
    occurred_at = event.occurred_at or corrected.get(event.corrects_id or 0) or now
    return {
        "position": position,
        "usage_type": event.usage_type,
        "quantity": event.quantity,
        "user_id": event.user_id,
        "resource_type": event.resource_type,
        "resource_id": event.resource_id,
        "metadata": event.metadata,
        "idempotency_key": event.idempotency_key,
        "fingerprint": event.fingerprint.hex(),
        "occurred_at": occurred_at.isoformat(),
        "corrects_id": event.corrects_id,
    }
