"""Claiming: each bucket that differs from its claim becomes a frozen meter event, many tenants in one statement.

A chunk is one transaction: the rollups it raises and the events it writes. What it does not reach is due still, so a
claim that was cut off at any point is gone on with by the next one (docs/decisions/0035).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.billing.ledger.buckets import LEVEL
from dashboard.billing.metering.owed import CHANGED, IN_PERIOD, SENDABLE, scope
from dashboard.models import Tenant

# Stripe takes whole numbers of at most 15 digits: of a larger difference the rest is claimed next, in an event of its
# own.
MOST_VALUE = 10**15 - 1
ROWS = 4_000
TENANTS = 1_000

_DELTA = f"least(greatest(r.quantity - r.claimed, -{MOST_VALUE}), {MOST_VALUE})"

# The customer makes it unique where installations share a Stripe account, the tenant leads back to it from a report.
_IDENTIFIER = (
    "customer || '-' || tenant_id || '-' || usage_type || '-' || CAST(extract(epoch FROM bucket_start) AS bigint)"
    " || '-' || (claim_sequence + 1)"
)

# The rollups are raised in the order of their key, which is the order in which usage is written: two transactions that
# want the same rows wait for each other instead of deadlocking. A row that was claimed meanwhile has another sequence
# and is left; one that only grew is claimed as it was read, and the growth stays due.
_CLAIM = text(
    f"""
    WITH owed AS MATERIALIZED (
        SELECT r.tenant_id, r.usage_type, r.bucket_start, r.claim_sequence, t.stripe_customer_id AS customer,
               m.event_name, NOT r.{LEVEL} AND abs(r.quantity - r.claimed) > {MOST_VALUE} AS is_part,
               CASE WHEN r.{LEVEL} THEN r.quantity ELSE {_DELTA} END AS value,
               CASE WHEN r.{LEVEL} THEN r.quantity ELSE r.claimed + {_DELTA} END AS raised_to,
               CASE WHEN r.{LEVEL} THEN r.last_at ELSE r.bucket_start END AS counts_at
          FROM usage_rollups r
          JOIN tenants t ON t.id = r.tenant_id AND t.stripe_customer_id IS NOT NULL
          JOIN catalog_meters m ON m.usage_type = r.usage_type
         WHERE r.tenant_id = ANY(:tenant_ids) AND {CHANGED} AND {SENDABLE}
           AND (r.claim_sequence = 0 OR NOT EXISTS (
                SELECT FROM meter_events e
                 WHERE e.tenant_id = r.tenant_id AND e.cancel_asked_at IS NOT NULL AND e.state = 'sent'
                   AND e.usage_type = r.usage_type AND e.bucket_start = r.bucket_start))
         ORDER BY r.tenant_id, r.usage_type, r.bucket_start
         LIMIT :rows
    ), raised AS (
        UPDATE usage_rollups r SET claimed = o.raised_to, claim_sequence = r.claim_sequence + 1
          FROM owed o
         WHERE r.tenant_id = o.tenant_id AND r.usage_type = o.usage_type AND r.bucket_start = o.bucket_start
           AND r.claim_sequence = o.claim_sequence
        RETURNING o.*
    ), written AS (
        INSERT INTO meter_events (tenant_id, identifier, usage_type, bucket_start, sequence, event_name, payload, value,
                                  timestamp, claimed_at, run_id)
        SELECT tenant_id,
               {_IDENTIFIER},
               usage_type, bucket_start, claim_sequence + 1, event_name,
               jsonb_build_object('stripe_customer_id', customer, 'value', CAST(value AS text)), value, counts_at,
               :now, CAST(:run_id AS bigint)
          FROM raised ORDER BY tenant_id, usage_type, bucket_start
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM owed) AS found, (SELECT count(*) FROM written) AS claimed,
           (SELECT count(*) FROM owed WHERE is_part) AS parts
    """
)

# Only nested loops keep the order of the outer side.
_IN_ORDER = (text("SET LOCAL enable_hashjoin = off"), text("SET LOCAL enable_mergejoin = off"))

_DUE_TENANTS = text(
    f"""
    SELECT t.id FROM tenants t
     WHERE t.stripe_customer_id IS NOT NULL
       AND EXISTS (SELECT FROM usage_rollups r WHERE r.tenant_id = t.id AND {CHANGED} AND {SENDABLE})
     ORDER BY t.id
    """
)

_COUNT_OWED = text(
    f"""
    SELECT count(*) FILTER (WHERE r.bucket_start >= :oldest) AS claimable,
           count(*) FILTER (WHERE r.bucket_start < :oldest) AS too_old
      FROM usage_rollups r JOIN tenants t ON t.id = r.tenant_id
     WHERE t.stripe_customer_id IS NOT NULL AND {CHANGED}
       AND EXISTS (SELECT FROM billing_periods p WHERE {IN_PERIOD})
    """
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """What one chunk claimed. `has_more` says that there may be more for the same tenants."""

    events: int
    has_more: bool


@dataclass(frozen=True, slots=True)
class Owed:
    """Buckets that differ from their claim: `too_old` ones no meter will ever count, Stripe refuses them."""

    claimable: int
    too_old: int


def list_tenants_after(session: Session, after: int, limit: int = TENANTS) -> list[int]:
    """The ids of the next tenants, in order: chunk by chunk all of them."""
    return list(session.scalars(select(Tenant.id).where(Tenant.id > after).order_by(Tenant.id).limit(limit)))


def list_due_tenants(session: Session, now: datetime, usage_types: Sequence[str] | None = None) -> list[int]:
    """The tenants that have something to claim."""
    return list(session.scalars(_DUE_TENANTS, scope(session, now, usage_types)))


def count_owed(session: Session, now: datetime) -> Owed:
    """What is owed to Stripe and not claimed yet, over all tenants."""
    return Owed(**session.execute(_COUNT_OWED, scope(session, now)).mappings().one())


def claim_chunk(
    session: Session,
    tenant_ids: Sequence[int],
    now: datetime,
    *,
    usage_types: Sequence[str] | None = None,
    run_id: int | None = None,
    rows: int = ROWS,
) -> Claimed:
    """Claim up to `rows` buckets of these tenants; one without a Stripe customer waits. The caller commits."""
    for setting in _IN_ORDER:
        session.execute(setting)
    parameters = scope(session, now, usage_types, tenant_ids=list(tenant_ids), run_id=run_id, rows=rows)
    found = session.execute(_CLAIM, parameters).mappings().one()
    return Claimed(found["claimed"], has_more=found["found"] == rows or found["parts"] > 0)


def claim_meter_events(
    session: Session,
    tenant_id: int,
    now: datetime,
    *,
    usage_types: Sequence[str] | None = None,
    run_id: int | None = None,
) -> int:
    """Claim all that one tenant owes. Answers how many meter events that made."""
    events = 0
    while True:
        chunk = claim_chunk(session, [tenant_id], now, usage_types=usage_types, run_id=run_id)
        events += chunk.events
        if not chunk.has_more:
            return events
