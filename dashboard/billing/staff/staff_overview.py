"""All tenants at a glance, for staff: what waits as it is now, all else as a job counted it last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.billing.ledger.usage_types import USAGE_TYPES, UsageType
from dashboard.billing.plans.plans import PLANS
from dashboard.billing.staff.staff_totals import HOURS_NOT_CLAIMED, HOURS_TOO_OLD, SEVERAL_SUBSCRIPTIONS
from dashboard.models import Access, StaffPlanCount, StaffUsageTotal

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
           (SELECT count(*) FROM billing_states WHERE access <> 'full' OR delinquent_since IS NOT NULL) AS delinquent,
           (SELECT finished_at FROM sync_runs WHERE state = 'complete' AND tenant_id IS NULL
             ORDER BY id DESC LIMIT 1) AS last_sync_at,
           EXISTS (SELECT FROM tenants) AS has_tenants,
           (SELECT value FROM staff_counts WHERE name = :several) AS several_subscriptions,
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
    """What waits or failed. Several subscriptions and hours are None until a job has counted them, at `counted_at`."""

    meter_events_pending: int
    meter_events_refused: int
    webhooks_pending: int
    webhooks_waiting: int
    webhooks_failed: int
    deliveries_failed: int
    unknown_prices: int
    delinquent: int
    last_sync_at: datetime | None
    has_tenants: bool
    several_subscriptions: int | None
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
    """All of it, in three queries over a few rows each."""
    plans = _count_by_plan(session)
    today, month = now.date(), now.date().replace(day=1)
    totals = {row.usage_type: row for row in session.scalars(select(StaffUsageTotal))}
    usage = [
        UsageRow(
            kind,
            totals[name].day_quantity if kind.is_level or totals[name].day == today else 0,
            totals[name].month_quantity if kind.is_level or totals[name].month == month else 0,
        )
        for name, kind in USAGE_TYPES.items()
        if name in totals
    ]
    return Overview(
        plans=plans,
        tenants=sum(row.total for row in plans),
        usage=[row for row in usage if row.this_month],
        actions_today=sum(row.day_events for row in totals.values() if row.day == today),
        actions_this_month=sum(row.month_events for row in totals.values() if row.month == month),
        counts=count_waiting(session),
    )


def count_waiting(session: Session) -> Counts:
    """What waits or failed, over all tenants."""
    scope = {"several": SEVERAL_SUBSCRIPTIONS, "not_claimed": HOURS_NOT_CLAIMED, "too_old": HOURS_TOO_OLD}
    return Counts(**session.execute(_COUNTS, scope).mappings().one())


def _count_by_plan(session: Session) -> list[PlanRow]:
    found: dict[str, dict[str, int]] = {}
    for row in session.scalars(select(StaffPlanCount)):
        found.setdefault(row.plan, {})[row.state] = row.tenants
    order = {plan: n for n, plan in enumerate(PLANS)}
    return [
        PlanRow(plan, *(found[plan].get(state, 0) for state in (Access.FULL, Access.GRACE, Access.READ_ONLY)))
        for plan in sorted(found, key=lambda plan: (order.get(plan, len(order)), plan))
    ]
