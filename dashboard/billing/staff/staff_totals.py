"""Figures over all tenants, kept ready by a job: a page that added them up would read everybody's history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.billing.ledger.buckets import LEVEL
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.metering import count_owed
from dashboard.billing.mirror.billing_state import LIVE
from dashboard.billing.periods.periods import month_start, next_month
from dashboard.billing.plans.plans import free_plan
from dashboard.models import StaffCount

# A transaction may commit after a look that began later: so each look goes back a little.
OVERLAP = timedelta(minutes=1)
HOURS_NOT_CLAIMED = "hours_not_claimed"
HOURS_TOO_OLD = "hours_too_old"
SEVERAL_SUBSCRIPTIONS = "several_subscriptions"

# A grace ends to the second, whether or not a job has run since.
STATE = """
    CASE WHEN b.read_only_at <= :now THEN 'read_only' ELSE COALESCE(b.access, 'full') END
"""

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

_REFRESH_EVENTS = text(
    """
    INSERT INTO tenant_period_events (tenant_id, period_start, period_end, events)
    SELECT tenant_id, max(period_start), max(period_end), sum(period_events)
      FROM tenant_usage_totals WHERE tenant_id = ANY(:tenants) AND refreshed_at = :now
     GROUP BY tenant_id ORDER BY tenant_id
    ON CONFLICT (tenant_id) DO UPDATE SET period_start = EXCLUDED.period_start, period_end = EXCLUDED.period_end,
           events = EXCLUDED.events
    """
)

_REFRESH_PLANS = text(
    f"""
    WITH counted AS MATERIALIZED (
        SELECT COALESCE(b.plan, :free) AS plan, {STATE} AS state, count(*) AS tenants
          FROM tenants t LEFT JOIN billing_states b ON b.tenant_id = t.id GROUP BY 1, 2
    ), gone AS (
        DELETE FROM staff_plan_counts s
         WHERE NOT EXISTS (SELECT FROM counted c WHERE c.plan = s.plan AND c.state = s.state)
    )
    INSERT INTO staff_plan_counts (plan, state, tenants) SELECT plan, state, tenants FROM counted ORDER BY plan, state
    ON CONFLICT (plan, state) DO UPDATE SET tenants = EXCLUDED.tenants
    """
)


def _of_all(span: str, column: str) -> str:
    """The sum over those tenants whose total is of the span that runs; of a level whatever was read last."""
    running = f"{span} = :{span}" if column == "events" else f"({LEVEL} OR {span} = :{span})"
    return f"COALESCE(sum({span}_{column}) FILTER (WHERE {running}), 0)"


_REFRESH_USAGE = text(
    f"""
    INSERT INTO staff_usage_totals (usage_type, day, day_quantity, day_events, month, month_quantity, month_events)
    SELECT usage_type, :day, {_of_all("day", "quantity")}, {_of_all("day", "events")},
           :month, {_of_all("month", "quantity")}, {_of_all("month", "events")}
      FROM tenant_usage_totals GROUP BY usage_type ORDER BY usage_type
    ON CONFLICT (usage_type) DO UPDATE SET day = EXCLUDED.day, day_quantity = EXCLUDED.day_quantity,
           day_events = EXCLUDED.day_events, month = EXCLUDED.month, month_quantity = EXCLUDED.month_quantity,
           month_events = EXCLUDED.month_events
    """
)

_SEVERAL = text(
    """
    SELECT count(*) FROM (SELECT FROM subscriptions WHERE status = ANY(:live)
                           GROUP BY tenant_id HAVING count(*) > 1) AS several
    """
)


def list_outdated_totals(session: Session, now: datetime) -> list[int]:
    """Tenants with usage recorded since their totals were refreshed, or in another billing period since."""
    return list(session.scalars(_CHANGED, {**_moments(now), "overlap": OVERLAP}))


def refresh_totals(session: Session, tenants: Sequence[int], now: datetime) -> None:
    """Bring the totals of these tenants up to now, from their rollups of the month and of the period that runs."""
    scope = {**_moments(now), "tenants": list(tenants)}
    day_start = datetime(*now.date().timetuple()[:3], tzinfo=now.tzinfo)
    session.execute(_REFRESH, {**scope, **_days(now), "day_start": day_start, "usage_types": list(USAGE_TYPES)})
    session.execute(_REFRESH_EVENTS, scope)


def refresh_counts(session: Session, now: datetime) -> None:
    """Bring the figures over all tenants up to now: tenants by plan, usage by type, hours that are owed to Stripe."""
    session.execute(_REFRESH_PLANS, {"now": now, "free": free_plan().key})
    session.execute(_REFRESH_USAGE, _days(now))
    owed = count_owed(session, now)
    several = session.execute(_SEVERAL, {"live": list(LIVE)}).scalar_one()
    counts = {HOURS_NOT_CLAIMED: owed.claimable, HOURS_TOO_OLD: owed.too_old, SEVERAL_SUBSCRIPTIONS: several}
    statement = insert(StaffCount).values(
        [{"name": name, "value": value, "counted_at": now} for name, value in counts.items()]
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={"value": statement.excluded.value, "counted_at": statement.excluded.counted_at},
        )
    )


def _moments(now: datetime) -> dict[str, datetime]:
    return {"now": now, "month_start": month_start(now), "month_end": next_month(now)}


def _days(now: datetime) -> dict[str, date]:
    return {"day": now.date(), "month": now.date().replace(day=1)}
