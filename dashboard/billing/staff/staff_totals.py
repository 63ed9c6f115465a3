"""Figures over all tenants, kept ready by a job: a page that added them up would read everybody's history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.billing.ledger.buckets import LEVEL
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.metering import count_owed
from dashboard.billing.periods.periods import month_start, next_month
from dashboard.models import StaffCount

# A transaction may commit after a look that began later: so each look goes back a little.
OVERLAP = timedelta(minutes=1)
HOURS_NOT_CLAIMED = "hours_not_claimed"
HOURS_TOO_OLD = "hours_too_old"

# The billing period that runs, or the calendar month where Stripe bills nothing.
_PERIOD = """
    SELECT COALESCE(max(b.starts_at), :month_start) AS starts_at, COALESCE(max(b.ends_at), :month_end) AS ends_at
      FROM (SELECT starts_at, ends_at FROM billing_periods
             WHERE tenant_id = t.id AND starts_at <= :now AND ends_at > :now ORDER BY starts_at DESC LIMIT 1) b
"""

# The newest row of each tenant is one step down its primary key, however long its history.
_CHANGED = text(
    f"""
    SELECT t.id FROM tenants t
     CROSS JOIN LATERAL (SELECT u.recorded_at FROM billing_usage u WHERE u.tenant_id = t.id
                          ORDER BY u.id DESC LIMIT 1) AS newest
     CROSS JOIN LATERAL ({_PERIOD}) AS p
      LEFT JOIN LATERAL (SELECT x.refreshed_at, x.period_start FROM tenant_usage_totals x WHERE x.tenant_id = t.id
                          ORDER BY x.refreshed_at DESC LIMIT 1) AS last ON true
     WHERE newest.recorded_at > last.refreshed_at - :overlap
        OR ((last.refreshed_at IS NULL OR last.period_start <> p.starts_at)
            AND newest.recorded_at >= least(p.starts_at, :month_start))
     ORDER BY t.id
    """
)


def _since(moment: str, column: str) -> str:
    """A type's total since a moment; of a level the latest reading, whenever it was."""
    total = f"COALESCE(sum(r.{column}) FILTER (WHERE r.bucket_start >= {moment}), 0)"
    if column == "events":
        return total
    latest = f"(array_agg(r.quantity ORDER BY r.bucket_start DESC) FILTER (WHERE r.{LEVEL}))[1]"
    return f"COALESCE({latest}, {total})"


_REFRESH = text(
    f"""
    INSERT INTO tenant_usage_totals (tenant_id, usage_type, day, day_quantity, day_events, month, month_quantity,
                                     month_events, period_start, period_end, period_quantity, period_events,
                                     refreshed_at)
    SELECT t.id, r.usage_type, :day, {_since(":day_start", "quantity")}, {_since(":day_start", "events")},
           :month, {_since(":month_start", "quantity")}, {_since(":month_start", "events")},
           p.starts_at, p.ends_at, {_since("p.starts_at", "quantity")}, {_since("p.starts_at", "events")}, :now
      FROM tenants t
     CROSS JOIN LATERAL ({_PERIOD}) AS p
      JOIN usage_rollups r ON r.tenant_id = t.id AND r.usage_type = ANY(:usage_types) AND r.events > 0
                          AND r.bucket_start >= least(p.starts_at, :month_start)
     WHERE t.id = ANY(:tenants)
     GROUP BY t.id, r.usage_type, p.starts_at, p.ends_at
    ON CONFLICT (tenant_id, usage_type) DO UPDATE SET
           day = EXCLUDED.day, day_quantity = EXCLUDED.day_quantity, day_events = EXCLUDED.day_events,
           month = EXCLUDED.month, month_quantity = EXCLUDED.month_quantity, month_events = EXCLUDED.month_events,
           period_start = EXCLUDED.period_start, period_end = EXCLUDED.period_end,
           period_quantity = EXCLUDED.period_quantity, period_events = EXCLUDED.period_events,
           refreshed_at = EXCLUDED.refreshed_at
    """
)


def list_outdated_totals(session: Session, now: datetime) -> list[int]:
    """Tenants with usage recorded since their totals were refreshed, or in another billing period since."""
    return list(session.scalars(_CHANGED, {**_moments(now), "overlap": OVERLAP}))


def refresh_totals(session: Session, tenants: Sequence[int], now: datetime) -> None:
    """Bring the totals of these tenants up to now, from their rollups of the month and of the period that runs."""
    today = now.date()
    scope = {
        "day": today,
        "month": today.replace(day=1),
        "day_start": datetime(*today.timetuple()[:3], tzinfo=now.tzinfo),
    }
    session.execute(_REFRESH, {**_moments(now), **scope, "usage_types": list(USAGE_TYPES), "tenants": list(tenants)})


def refresh_counts(session: Session, now: datetime) -> None:
    """Count what is owed to Stripe and not claimed yet, over all tenants."""
    owed = count_owed(session, now)
    rows = [
        {"name": name, "value": value, "counted_at": now}
        for name, value in ((HOURS_NOT_CLAIMED, owed.claimable), (HOURS_TOO_OLD, owed.too_old))
    ]
    statement = insert(StaffCount).values(rows)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={"value": statement.excluded.value, "counted_at": statement.excluded.counted_at},
        )
    )


def _moments(now: datetime) -> dict[str, datetime]:
    return {"now": now, "month_start": month_start(now), "month_end": next_month(now)}
