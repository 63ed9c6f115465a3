"""Hourly totals: cut again where a billing period turns out to begin, rebuilt aside and compared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.usage import BUCKET_OF
from dashboard.billing.usage_types import LEVELS

_LEVELS = ", ".join(f"'{name}'" for name in LEVELS)

_TOTALS = f"""
    SELECT u.tenant_id, u.usage_type, b.bucket_start,
           CASE WHEN u.usage_type IN ({_LEVELS})
                THEN (array_agg(u.quantity ORDER BY u.occurred_at DESC, u.id DESC))[1]
                ELSE sum(u.quantity) END AS quantity,
           count(*) AS events, max(u.occurred_at) AS last_at, max(u.recorded_at) AS recorded_at
      FROM billing_usage u
      CROSS JOIN LATERAL (SELECT {BUCKET_OF.format(tenant="u.tenant_id", moment="u.occurred_at")} AS bucket_start) b
     WHERE {{where}}
     GROUP BY u.tenant_id, u.usage_type, b.bucket_start
"""

_HOLD_TENANT_ALONE = text("SELECT id FROM tenants WHERE id = :tenant_id FOR UPDATE")

# A bucket that lost all its rows stays with quantity 0: what was claimed for it must be taken back.
_EMPTY_HOUR = text(
    """
    UPDATE usage_rollups SET quantity = 0, events = 0
     WHERE tenant_id = :tenant_id AND bucket_start >= :hour AND bucket_start < :next_hour
    """
)

_REFILL_HOUR = text(
    "INSERT INTO usage_rollups (tenant_id, usage_type, bucket_start, quantity, events, last_at, recorded_at)"
    + _TOTALS.format(where="u.tenant_id = :tenant_id AND u.occurred_at >= :hour AND u.occurred_at < :next_hour")
    + """
    ON CONFLICT (tenant_id, usage_type, bucket_start) DO UPDATE SET
        quantity = EXCLUDED.quantity, events = EXCLUDED.events, last_at = EXCLUDED.last_at,
        recorded_at = EXCLUDED.recorded_at
    """
)

_DIFFERENCES = text(
    f"""
    WITH rebuilt AS ({_TOTALS.format(where="TRUE")})
    SELECT COALESCE(a.tenant_id, b.tenant_id) AS tenant_id, COALESCE(a.usage_type, b.usage_type) AS usage_type,
           COALESCE(a.bucket_start, b.bucket_start) AS bucket_start,
           COALESCE(a.quantity, 0) AS ledger, COALESCE(b.quantity, 0) AS rollup
      FROM rebuilt a FULL JOIN usage_rollups b
        ON a.tenant_id = b.tenant_id AND a.usage_type = b.usage_type AND a.bucket_start = b.bucket_start
     WHERE COALESCE(a.quantity, 0) <> COALESCE(b.quantity, 0) OR COALESCE(a.events, 0) <> COALESCE(b.events, 0)
     ORDER BY 1, 2, 3
    """
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A bucket whose rollup is not what the ledger says: a defect."""

    tenant_id: int
    usage_type: str
    bucket_start: datetime
    ledger: int
    rollup: int


def rebucket(session: Session, tenant_id: int, boundary: datetime) -> None:
    """Cut the hour around a new period boundary again, from the ledger.

    Writers of this tenant wait meanwhile (they hold the tenant's key). What was claimed of the old bucket stays
    noted on it, so the next claim takes back what moved and claims it in its new bucket.
    """
    hour = boundary.replace(minute=0, second=0, microsecond=0)
    if boundary == hour:
        return
    scope = {"tenant_id": tenant_id, "hour": hour, "next_hour": hour + timedelta(hours=1)}
    session.execute(_HOLD_TENANT_ALONE, {"tenant_id": tenant_id})
    session.execute(_EMPTY_HOUR, scope)
    session.execute(_REFILL_HOUR, scope)


def verify_rollups(session: Session) -> list[Difference]:
    """Rebuild every rollup aside and compare. An empty list means that ledger and rollups agree."""
    return [Difference(**row) for row in session.execute(_DIFFERENCES).mappings()]
