"""All tenants at a glance, for staff: from states and from totals kept ready, never from history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.ledger.usage_types import LEVELS, USAGE_TYPES, UsageType
from dashboard.billing.plans.plans import PLANS, free_plan
from dashboard.billing.staff.staff_totals import HOURS_NOT_CLAIMED, HOURS_TOO_OLD
from dashboard.billing.subscriptions.subscriptions import LIVE
from dashboard.models import Access

# A grace ends to the second, whether or not a job has run since.
STATE = """
    CASE WHEN b.read_only_at <= :now THEN 'read_only' ELSE COALESCE(b.access, 'full') END
"""

_BY_PLAN = text(
    f"""
    SELECT COALESCE(b.plan, :free) AS plan, {STATE} AS state, count(*) AS tenants
      FROM tenants t LEFT JOIN billing_states b ON b.tenant_id = t.id
     GROUP BY 1, 2
    """
)

_USAGE = text(
    """
    SELECT usage_type,
           sum(CASE WHEN usage_type = ANY(:levels) OR day = :today THEN day_quantity ELSE 0 END) AS today,
           sum(CASE WHEN usage_type = ANY(:levels) OR month = :month THEN month_quantity ELSE 0 END) AS this_month,
           sum(CASE WHEN day = :today THEN day_events ELSE 0 END) AS events_today,
           sum(CASE WHEN month = :month THEN month_events ELSE 0 END) AS events_this_month
      FROM tenant_usage_totals GROUP BY usage_type
    """
)

# One round trip. Each part has a small index of just what is counted, or a table of a few rows.
_COUNTS = text(
    """
    SELECT (SELECT count(*) FROM meter_events WHERE state = 'pending') AS meter_events_pending,
           (SELECT count(*) FROM meter_events WHERE state = 'rejected') AS meter_events_refused,
           (SELECT count(*) FROM stripe_events WHERE state = 'pending') AS webhooks_pending,
           (SELECT count(*) FROM stripe_events WHERE state IN ('waiting', 'failed') AND state = 'waiting')
               AS webhooks_waiting,
           (SELECT count(*) FROM stripe_events WHERE state IN ('waiting', 'failed') AND state = 'failed')
               AS webhooks_failed,
           (SELECT count(*) FROM webhook_deliveries WHERE state = 'failed') AS deliveries_failed,
           (SELECT count(*) FROM subscriptions WHERE unknown_price_ids <> '{}') AS unknown_prices,
           (SELECT count(*) FROM (SELECT FROM subscriptions WHERE status = ANY(:live)
                                   GROUP BY tenant_id HAVING count(*) > 1) AS several) AS several_subscriptions,
           (SELECT count(*) FROM billing_states WHERE access <> 'full' OR delinquent_since IS NOT NULL) AS delinquent,
           (SELECT finished_at FROM sync_runs WHERE state = 'complete' AND tenant_id IS NULL
             ORDER BY id DESC LIMIT 1) AS last_sync_at,
           (SELECT value FROM staff_counts WHERE name = :not_claimed) AS hours_not_claimed,
           (SELECT value FROM staff_counts WHERE name = :too_old) AS hours_too_old,
           (SELECT counted_at FROM staff_counts WHERE name = :not_claimed) AS counted_at
    """
)


@dataclass(frozen=True, slots=True)
class PlanRow:
    """How many tenants a plan has in each billing state. `plan` is "other" for a price that means none of ours."""

    plan: str
    full: int
    grace: int
    read_only: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.full + self.grace + self.read_only


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What all tenants used of a type; of a level the sum of the latest readings."""

    usage_type: UsageType
    today: int
    this_month: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What waits or failed. Hours are None until a job has counted them, at `counted_at`."""

    meter_events_pending: int
    meter_events_refused: int
    webhooks_pending: int
    webhooks_waiting: int
    webhooks_failed: int
    deliveries_failed: int
    unknown_prices: int
    several_subscriptions: int
    delinquent: int
    last_sync_at: datetime | None
    hours_not_claimed: int | None
    hours_too_old: int | None
    counted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole page. Actions are usage events."""

    plans: list[PlanRow]
    tenants: int
    usage: list[UsageRow]
    actions_today: int
    actions_this_month: int
    counts: Counts


def view_all_tenants(session: Session, now: datetime) -> Overview:
    """All of it, in three queries."""
    plans = _count_by_plan(session, now)
    scope = {"today": now.date(), "month": now.date().replace(day=1), "levels": list(LEVELS)}
    rows = {row.usage_type: row for row in session.execute(_USAGE, scope)}
    usage = [
        UsageRow(kind, int(rows[name].today), int(rows[name].this_month))
        for name, kind in USAGE_TYPES.items()
        if name in rows and rows[name].this_month
    ]
    return Overview(
        plans=plans,
        tenants=sum(row.total for row in plans),
        usage=usage,
        actions_today=int(sum(row.events_today for row in rows.values())),
        actions_this_month=int(sum(row.events_this_month for row in rows.values())),
        counts=count_waiting(session),
    )


def count_waiting(session: Session) -> Counts:
    """What waits or failed, over all tenants."""
    scope = {"live": list(LIVE), "not_claimed": HOURS_NOT_CLAIMED, "too_old": HOURS_TOO_OLD}
    return Counts(**session.execute(_COUNTS, scope).mappings().one())


def _count_by_plan(session: Session, now: datetime) -> list[PlanRow]:
    found: dict[str, dict[str, int]] = {}
    for row in session.execute(_BY_PLAN, {"now": now, "free": free_plan().key}):
        found.setdefault(row.plan, {})[row.state] = row.tenants
    order = {plan: n for n, plan in enumerate(PLANS)}
    return [
        PlanRow(plan, *(found[plan].get(state, 0) for state in (Access.FULL, Access.GRACE, Access.READ_ONLY)))
        for plan in sorted(found, key=lambda plan: (order.get(plan, len(order)), plan))
    ]
