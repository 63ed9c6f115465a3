"""`record_usage()`: the one way into the ledger. Row and rollup are one statement, so they cannot disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard.billing.buckets import BUCKETED, LATEST, LEVEL
from dashboard.billing.corrections import check_corrections
from dashboard.billing.errors import AlreadyCorrected, IdempotencyConflict, InvalidInput, NotFound
from dashboard.billing.usage_input import UsageInput
from dashboard.database import share_object
from dashboard.models import UsageEvent

Refusal = InvalidInput | IdempotencyConflict | AlreadyCorrected

# Sorted by key, so that two batches with the same keys in another order wait for each other instead of deadlocking;
# rollups are sorted for the same reason. ON CONFLICT names no index: a second correction of one event is skipped like
# a repeated key. DO UPDATE keeps to columns and EXCLUDED: functions there would not run on a distributed table.
_RECORD = text(
    f"""
    WITH input AS MATERIALIZED (
        SELECT * FROM json_to_recordset(CAST(:events AS json)) AS e (
            usage_type text, quantity bigint, user_id text, resource_type text, resource_id text, metadata jsonb,
            idempotency_key text, fingerprint text, occurred_at timestamptz, corrects_id bigint)
    ), recorded AS (
        INSERT INTO billing_usage (tenant_id, usage_type, quantity, user_id, resource_type, resource_id, metadata,
                                   source, idempotency_key, fingerprint, occurred_at, recorded_at, corrects_id)
        SELECT :tenant_id, usage_type, quantity, user_id, resource_type, resource_id, metadata, :source,
               idempotency_key, decode(fingerprint, 'base64'), COALESCE(occurred_at, :now), :now, corrects_id
          FROM input ORDER BY idempotency_key
        ON CONFLICT DO NOTHING
        RETURNING id, usage_type, quantity, idempotency_key, occurred_at
    ), {BUCKETED}, rolled_up AS (
        INSERT INTO usage_rollups (tenant_id, usage_type, bucket_start, quantity, events, last_at, recorded_at)
        SELECT :tenant_id, usage_type, bucket_start, CASE WHEN {LEVEL} THEN {LATEST} ELSE sum(quantity) END,
               count(*), max(occurred_at), :now
          FROM bucketed GROUP BY usage_type, bucket_start ORDER BY usage_type, bucket_start
        ON CONFLICT (tenant_id, usage_type, bucket_start) DO UPDATE SET
            quantity = CASE WHEN NOT EXCLUDED.{LEVEL} THEN usage_rollups.quantity + EXCLUDED.quantity
                            WHEN EXCLUDED.last_at > usage_rollups.last_at THEN EXCLUDED.quantity
                            WHEN EXCLUDED.last_at = usage_rollups.last_at
                                 AND EXCLUDED.quantity > usage_rollups.quantity THEN EXCLUDED.quantity
                            ELSE usage_rollups.quantity END,
            events = usage_rollups.events + EXCLUDED.events,
            last_at = CASE WHEN EXCLUDED.last_at > usage_rollups.last_at THEN EXCLUDED.last_at
                           ELSE usage_rollups.last_at END,
            recorded_at = EXCLUDED.recorded_at
    ), settled AS (
        DELETE FROM usage_reservations r USING recorded n
         WHERE r.tenant_id = :tenant_id AND r.key = n.idempotency_key
    )
    SELECT id, idempotency_key FROM recorded
    """
)


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
    """Append events to the ledger and add them to the rollups, all or none; repeated keys change nothing.

    Answers one `Recorded` for each event, in order. `source` says which service reported it, `now` (aware UTC)
    is the time of record. Nothing is stored unless the caller commits; after an error the caller rolls back.

    Raises `NotFound` (no such tenant), `IdempotencyConflict` (a key with another body), `InvalidInput`
    (a correction of nothing), `AlreadyCorrected`.
    """
    outcomes = record_each(session, tenant_id, events, source=source, now=now)
    recorded = [outcome for outcome in outcomes if isinstance(outcome, Recorded)]
    if len(recorded) < len(outcomes):
        raise next(outcome for outcome in outcomes if not isinstance(outcome, Recorded))
    return recorded


def record_each(
    session: Session, tenant_id: int, events: Sequence[UsageInput], *, source: str, now: datetime
) -> list[Recorded | Refusal]:
    """The same, each event for itself: a refused one is answered with its reason and the others are recorded.

    Raises `NotFound` (no such tenant).
    """
    # Every writer of a tenant's buckets shares this lock, in a statement of its own: the next statement then sees all
    # period boundaries there are, and `rollups.rebucket` (which holds it alone) sees all rows.
    share_object(session, "usage-of", tenant_id)
    refused: dict[int, Refusal] = {}
    distinct = _distinct(events, refused)
    writable = check_corrections(session, tenant_id, distinct, refused)
    new = _write(session, tenant_id, list(writable.values()), source, now)
    known = _known(session, tenant_id, [key for key in distinct if key not in new])
    answer: list[Recorded | Refusal] = []
    seen: set[str] = set()
    for position, event in enumerate(events):
        key = event.idempotency_key
        outcome: Recorded | Refusal
        if key in new and position not in refused:
            outcome = Recorded(new[key], key, key not in seen)
            seen.add(key)
        elif key in known:
            id_, print_ = known[key]
            outcome = Recorded(id_, key, is_new=False) if print_ == event.fingerprint else IdempotencyConflict(key)
        else:
            # A correction that lost the race against another one of the same event was skipped without a trace.
            outcome = refused.get(position) or AlreadyCorrected(event.corrects_id or 0)
        answer.append(outcome)
    return answer


def _distinct(events: Sequence[UsageInput], refused: dict[int, Refusal]) -> dict[str, tuple[int, UsageInput]]:
    """The first event of each key, with its place; another body under the same key is refused."""
    distinct: dict[str, tuple[int, UsageInput]] = {}
    for position, event in enumerate(events):
        _, first = distinct.setdefault(event.idempotency_key, (position, event))
        if first.fingerprint != event.fingerprint:
            refused[position] = IdempotencyConflict(event.idempotency_key)
    return distinct


def _write(session: Session, tenant_id: int, events: list[UsageInput], source: str, now: datetime) -> dict[str, int]:
    """Write the rows whose keys are new: their ids by key."""
    if not events:
        return {}
    parameters = {"tenant_id": tenant_id, "source": source, "now": now, "events": msgspec.json.encode(events).decode()}
    try:
        return {row.idempotency_key: row.id for row in session.execute(_RECORD, parameters)}
    except IntegrityError as error:
        # Foreign key: the rollups' tenant. The ledger's own rows have none (see docs/decisions/0009).
        if getattr(error.orig, "sqlstate", None) == "23503":
            raise NotFound(f"no tenant {tenant_id}") from error
        raise


def _known(session: Session, tenant_id: int, keys: list[str]) -> dict[str, tuple[int, bytes]]:
    """What stands in the ledger under these keys already: id and fingerprint."""
    if not keys:
        return {}
    rows = session.execute(
        select(UsageEvent.idempotency_key, UsageEvent.id, UsageEvent.fingerprint).where(
            UsageEvent.tenant_id == tenant_id, UsageEvent.idempotency_key.in_(keys)
        )
    )
    return {key: (id_, bytes(print_)) for key, id_, print_ in rows}
