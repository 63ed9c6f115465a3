"""The plans side by side, with the tenant's own marked and what keeps it from choosing another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from sqlalchemy.orm import Session

from dashboard.billing.catalog import PlanDefinition
from dashboard.billing.plans import PLANS, active_prices, catalog, free_plan, plan_name
from dashboard.billing.subscriptions import live_subscription
from dashboard.billing.usage_types import UsageType
from dashboard.models import CatalogPrice

STATUS_LABELS = {
    "active": "Active",
    "trialing": "Trial",
    "past_due": "Payment overdue",
}


@dataclass(frozen=True, slots=True)
class PlanAllowance:
    """What a plan includes of one metered type; `overage_rate` is minor units for each unit beyond.

    `further` holds the tiers after that one: (units from which it holds, minor units for each).
    """

    usage_type: UsageType
    included: int
    overage_rate: Decimal | None
    further: list[tuple[int, Decimal]]


@dataclass(frozen=True, slots=True)
class PlanCard:
    """One column of the matrix. `reason` says why it cannot be chosen here, when it cannot."""

    key: str
    name: str
    description: str
    highlights: tuple[str, ...]
    is_current: bool
    monthly_amount: int | None
    yearly_amount: int | None
    currency: str
    allowances: list[PlanAllowance]
    can_checkout: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class SubscriptionSummary:
    """The live subscription in short."""

    status: str
    status_label: str
    plan_name: str
    current_period_end: datetime | None
    cancel_at: datetime | None


def list_plans(session: Session, tenant_id: int, *, may_buy: bool) -> list[PlanCard]:
    """Every plan on sale, cheapest first. `may_buy`: the reader is an owner or admin."""
    prices = active_prices(session)
    live = live_subscription(session, tenant_id)
    # A subscription at a price that means no plan of ours is none of these, Free least of all.
    current = live.plan if live else free_plan().key
    return [_card(plan, prices, current, has_live=live is not None, may_buy=may_buy) for plan in PLANS.values()]


def _card(
    plan: PlanDefinition, prices: list[CatalogPrice], current: str | None, *, has_live: bool, may_buy: bool
) -> PlanCard:
    own = {(price.interval, price.usage_type): price for price in prices if price.plan == plan.key}
    monthly, yearly = own.get(("monthly", None)), own.get(("yearly", None))
    reason = None
    if plan.key == current:
        reason = "This is your plan."
    elif monthly is None:
        reason = "Not on sale yet."
    elif plan.key == free_plan().key:
        reason = f"You fall back to {plan.name} when your subscription ends."
    elif has_live:
        reason = "End your present subscription first, then choose this plan."
    elif not may_buy:
        reason = "Only an owner or admin can choose a plan."
    rows = [
        _allowance(kind, price, is_free=plan.key == free_plan().key)
        for kind in catalog().metered
        if (price := own.get(("monthly", kind.name)))
    ]
    return PlanCard(
        key=plan.key,
        name=plan.name,
        description=plan.description,
        highlights=plan.highlights,
        is_current=plan.key == current,
        monthly_amount=monthly.unit_amount if monthly else None,
        yearly_amount=yearly.unit_amount if yearly else None,
        currency=monthly.currency if monthly else catalog().currency,
        allowances=rows,
        can_checkout=reason is None,
        reason=reason,
    )


def _allowance(kind: UsageType, price: CatalogPrice, *, is_free: bool) -> PlanAllowance:
    beyond = [tier for tier in price.tiers or [] if tier["up_to"] is None or tier["up_to"] > price.included]
    further = [(int(before["up_to"]), Decimal(tier["unit_amount_decimal"] or 0)) for before, tier in pairwise(beyond)]
    return PlanAllowance(kind, price.included, None if is_free else price.overage_rate, [] if is_free else further)


def summarise_subscription(session: Session, tenant_id: int) -> SubscriptionSummary | None:
    """The live subscription, or None without one."""
    live = live_subscription(session, tenant_id)
    if live is None:
        return None
    label = STATUS_LABELS.get(live.status, live.status.replace("_", " ").capitalize())
    return SubscriptionSummary(live.status, label, plan_name(live.plan), live.current_period_end, live.cancel_at)
