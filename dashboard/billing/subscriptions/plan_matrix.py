"""The plans side by side, with the tenant's own marked and what keeps it from choosing another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from sqlalchemy.orm import Session

from dashboard.billing.ledger.usage_types import UsageType
from dashboard.billing.mirror.billing_state import LIVE
from dashboard.billing.plans.catalog import PlanDefinition
from dashboard.billing.plans.plans import PLANS, active_prices, catalog, free_plan
from dashboard.billing.subscriptions.billing_desk import current_subscription
from dashboard.billing.subscriptions.plan_losses import Loss, find_losses, lost_features
from dashboard.models import CatalogPrice, Subscription


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
    """One column of the matrix. `action` is "buy", "change" or None, and then `reason` says why not.

    Of the present plan the other interval can be chosen; `current_interval` is the one it has. `losses` and
    `lost_features` are what a change from the present plan to this one would take away.
    """

    key: str
    name: str
    description: str
    highlights: tuple[str, ...]
    is_current: bool
    current_interval: str | None
    monthly_amount: int | None
    yearly_amount: int | None
    currency: str
    allowances: list[PlanAllowance]
    action: str | None
    reason: str | None
    losses: list[Loss]
    lost_features: list[str]

    @property
    def yearly_saving(self) -> int | None:
        """How much less a year costs than twelve months, minor units; None where one of the two is not on sale."""
        if not self.monthly_amount or self.yearly_amount is None:
            return None
        return 12 * self.monthly_amount - self.yearly_amount

    @property
    def yearly_saving_percent(self) -> int | None:
        """The same in whole per cent of twelve months."""
        saving = self.yearly_saving
        return None if saving is None else round(100 * saving / (12 * (self.monthly_amount or 1)))


def list_plans(
    session: Session, tenant_id: int, *, may_buy: bool, prices: Sequence[CatalogPrice] | None = None
) -> list[PlanCard]:
    """Every plan, cheapest first. `may_buy`: the reader is an owner or admin. `prices` are those on sale, if known."""
    prices = active_prices(session) if prices is None else prices
    found = current_subscription(session, tenant_id)
    return [_card(plan, prices, found, may_buy=may_buy) for plan in PLANS.values()]


def _card(
    plan: PlanDefinition, prices: Sequence[CatalogPrice], found: Subscription | None, *, may_buy: bool
) -> PlanCard:
    own = {(price.interval, price.usage_type): price for price in prices if price.plan == plan.key}
    monthly, yearly = own.get(("monthly", None)), own.get(("yearly", None))
    live = found if found is not None and found.status in LIVE else None
    # A subscription at a price that means no plan of ours is none of these, Free least of all.
    present = live.plan if live else free_plan().key
    is_current = plan.key == present
    reason = _reason(plan, found, is_on_sale=monthly is not None, is_current=is_current, may_buy=may_buy)
    rows = [
        _allowance(kind, price, is_free=plan.key == free_plan().key)
        for kind in catalog().metered
        if (price := own.get(("monthly", kind.name)))
    ]
    return PlanCard(
        key=plan.key,
        name=plan.name,
        is_current=is_current,
        current_interval=live.interval if live and is_current else None,
        description=plan.description,
        highlights=plan.highlights,
        monthly_amount=monthly.unit_amount if monthly else None,
        yearly_amount=yearly.unit_amount if yearly else None,
        currency=monthly.currency if monthly else catalog().currency,
        allowances=rows,
        action=None if reason else "change" if live else "buy",
        reason=reason,
        losses=find_losses(present, plan.key),
        lost_features=lost_features(present, plan.key),
    )


def _reason(
    plan: PlanDefinition, found: Subscription | None, *, is_on_sale: bool, is_current: bool, may_buy: bool
) -> str | None:
    """Why this plan cannot be chosen, or None when it can."""
    if plan.key == free_plan().key:
        return "This is your plan." if is_current else f"You fall back to {plan.name} when your subscription ends."
    if not is_on_sale:
        return "Not on sale."
    if not may_buy:
        return "This is your plan." if is_current else "Only an owner or admin can choose a plan."
    blocked = {
        "past_due": "Pay the open invoice first.",
        "unpaid": "Pay the open invoice first.",
        "paused": "Resume your subscription first.",
    }
    return blocked.get(found.status) if found else None


def _allowance(kind: UsageType, price: CatalogPrice, *, is_free: bool) -> PlanAllowance:
    beyond = [tier for tier in price.tiers or [] if tier["up_to"] is None or tier["up_to"] > price.included]
    further = [(int(before["up_to"]), Decimal(tier["unit_amount_decimal"] or 0)) for before, tier in pairwise(beyond)]
    return PlanAllowance(kind, price.included, None if is_free else price.overage_rate, [] if is_free else further)
