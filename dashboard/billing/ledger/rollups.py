"""Totals by hour, cut again where a billing period turns out to begin; rebuilt aside and compared, days as well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.billing.ledger.buckets import BUCKETED, DAY, LATEST, LEVEL
from dashboard.database import lock_objects
from dashboard.models import Tenant

_TOTALS = f"""
    WITH recorded AS (
        SELECT tenant_id, usage_type, quantity, occurred_at, recorded_at FROM {{source}}
    ), {BUCKETED}
    SELECT tenant_id, usage_type, bucket_start, CASE WHEN {LEVEL} THEN {LATEST} ELSE sum(quantity) END AS quantity,
           count(*) AS events, max(occurred_at) AS last_at, max(recorded_at) AS recorded_at
      FROM bucketed GROUP BY tenant_id, usage_type, bucket_start
"""

# A bucket that lost all its rows stays with quantity 0: what was claimed for it must be taken back. Its `last_at` goes
# back too, else a level read before that moment and reported later would not count.
_CUTS = "unnest(CAST(:tenants AS bigint[]), CAST(:hours AS timestamptz[])) AS cut (tenant_id, hour)"
_EMPTY_HOURS = text(
    f"""
    UPDATE usage_rollups SET quantity = 0, events = 0, last_at = bucket_start
      FROM {_CUTS}
     WHERE usage_rollups.tenant_id = cut.tenant_id
       AND bucket_start >= cut.hour AND bucket_start < cut.hour + interval '1 hour'
    """
)

# One look-up an hour, however many there are and however large the ledger is.
_ROWS_OF_HOURS = f"""
    {_CUTS} CROSS JOIN LATERAL (
        SELECT usage_type, quantity, occurred_at, recorded_at FROM billing_usage
         WHERE tenant_id = cut.tenant_id AND occurred_at >= cut.hour AND occurred_at < cut.hour + interval '1 hour'
        OFFSET 0) AS rows
"""
_REFILL_HOURS = text(
    "INSERT INTO usage_rollups (tenant_id, usage_type, bucket_start, quantity, events, last_at, recorded_at)"
    + _TOTALS.format(source=_ROWS_OF_HOURS)
    + """
    ON CONFLICT (tenant_id, usage_type, bucket_start) DO UPDATE SET
        quantity = EXCLUDED.quantity, events = EXCLUDED.events, last_at = EXCLUDED.last_at,
        recorded_at = EXCLUDED.recorded_at
    """
)

_EMPTY_DAY = text(
    "UPDATE usage_days SET quantity = 0, events = 0, last_at = day_start"
    " WHERE tenant_id = :tenant_id AND day_start = :day"
)
_REFILL_DAY = text(
    f"""
    INSERT INTO usage_days (tenant_id, usage_type, day_start, quantity, events, last_at, recorded_at)
    SELECT tenant_id, usage_type, CAST(:day AS timestamptz),
           CASE WHEN {LEVEL} THEN (array_agg(quantity ORDER BY bucket_start DESC))[1] ELSE sum(quantity) END,
           sum(events), max(last_at), max(recorded_at)
      FROM usage_rollups
     WHERE tenant_id = :tenant_id AND bucket_start >= :day
       AND bucket_start < CAST(:day AS timestamptz) + interval '1 day'
       AND events > 0
     GROUP BY tenant_id, usage_type
    ON CONFLICT (tenant_id, usage_type, day_start) DO UPDATE SET
        quantity = EXCLUDED.quantity, events = EXCLUDED.events, last_at = EXCLUDED.last_at,
        recorded_at = EXCLUDED.recorded_at
    """
)

# Days follow from the buckets of the ledger, read once: their sum, or the last reading.
_DIFFERENCES = text(
    f"""
    WITH ledger AS MATERIALIZED (
        SELECT usage_type, bucket_start, quantity, events
          FROM ({_TOTALS.format(source="billing_usage WHERE tenant_id = :tenant_id")}) t
    ), differences AS (
        SELECT COALESCE(a.usage_type, b.usage_type) AS usage_type, 'hour' AS slot,
               COALESCE(a.bucket_start, b.bucket_start) AS bucket_start,
               COALESCE(a.quantity, 0) AS ledger, COALESCE(b.quantity, 0) AS rollup
          FROM ledger a FULL JOIN (SELECT * FROM usage_rollups WHERE tenant_id = :tenant_id) b
            ON a.usage_type = b.usage_type AND a.bucket_start = b.bucket_start
         WHERE COALESCE(a.quantity, 0) <> COALESCE(b.quantity, 0) OR COALESCE(a.events, 0) <> COALESCE(b.events, 0)
        UNION ALL
        SELECT COALESCE(a.usage_type, b.usage_type), 'day', COALESCE(a.day_start, b.day_start),
               COALESCE(a.quantity, 0), COALESCE(b.quantity, 0)
          FROM (SELECT usage_type, {DAY.format(moment="bucket_start")} AS day_start, sum(events) AS events,
                       CASE WHEN {LEVEL} THEN (array_agg(quantity ORDER BY bucket_start DESC))[1]
                            ELSE sum(quantity) END AS quantity
                  FROM ledger GROUP BY usage_type, day_start) a
          FULL JOIN (SELECT * FROM usage_days WHERE tenant_id = :tenant_id) b
            ON a.usage_type = b.usage_type AND a.day_start = b.day_start
         WHERE COALESCE(a.quantity, 0) <> COALESCE(b.quantity, 0) OR COALESCE(a.events, 0) <> COALESCE(b.events, 0)
    )
    SELECT * FROM differences ORDER BY usage_type, bucket_start, slot
    """
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A bucket or a day (`slot`) whose rollup is not what the ledger says: a defect."""

    tenant_id: int
    usage_type: str
    slot: str
    bucket_start: datetime
    ledger: int
    rollup: int


def rebucket(session: Session, tenant_id: int, boundary: datetime) -> None:
    """Cut the hour around a new period boundary again, from the ledger. See `rebucket_all`."""
    rebucket_all(session, [(tenant_id, boundary)])


def rebucket_all(session: Session, boundaries: Iterable[tuple[int, datetime]]) -> None:
    """Cut the hours around new period boundaries, (tenant, moment), again from the ledger.

    Writers of these tenants wait meanwhile (they share their locks). What was claimed of an old bucket stays noted on
    it, so the next claim takes back what moved and claims it in its new bucket.
    """
    hours = {(tenant_id, at, _hour_of(at)) for tenant_id, at in boundaries}
    cuts = sorted({(tenant_id, hour) for tenant_id, at, hour in hours if at != hour})
    if cuts:
        _rebuild(session, cuts)


def rebuild_hour(session: Session, tenant_id: int, moment: datetime) -> None:
    """Add the buckets of an hour, and its day, up again from the ledger. Writers of this tenant wait meanwhile."""
    hour = _hour_of(moment)
    _rebuild(session, [(tenant_id, hour)])
    scope = {"tenant_id": tenant_id, "day": hour.replace(hour=0)}
    session.execute(_EMPTY_DAY, scope)
    session.execute(_REFILL_DAY, scope)


def _hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _rebuild(session: Session, cuts: Sequence[tuple[int, datetime]]) -> None:
    lock_objects(session, [("usage-of", tenant_id) for tenant_id in sorted({tenant_id for tenant_id, _ in cuts})])
    scope = {"tenants": [tenant_id for tenant_id, _ in cuts], "hours": [hour for _, hour in cuts]}
    session.execute(_EMPTY_HOURS, scope)
    session.execute(_REFILL_HOURS, scope)


def verify_rollups(session: Session) -> list[Difference]:
    """Rebuild every rollup aside and compare. An empty list means that ledger and rollups agree."""
    return [
        Difference(tenant_id, **row)
        for tenant_id in session.scalars(select(Tenant.id).order_by(Tenant.id)).all()
        for row in session.execute(_DIFFERENCES, {"tenant_id": tenant_id}).mappings()
    ]
