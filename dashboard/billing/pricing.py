"""What usage costs: the tiers of a plan's metered prices applied to quantities. Minor units throughout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.billing.catalog import Tier
from dashboard.billing.plans import PLANS
from dashboard.models import CatalogPrice, Subscription

Tiers = Sequence[Mapping[str, Any]]


def metered_prices(
    session: Session, tenant_id: int, plan: str | None, subscription_id: str | None
) -> dict[str, CatalogPrice]:
    """The metered prices by usage type: those of the subscription itself, else those on sale with the plan.

    A subscription keeps its prices when the catalogue changes. Plan None is none of ours. A stretch from before the
    subscription changed its plan has the prices on sale with the plan it had.
    """
    metered = select(CatalogPrice).where(CatalogPrice.usage_type.is_not(None))
    own = select(func.unnest(Subscription.price_ids)).where(
        Subscription.tenant_id == tenant_id, Subscription.id == subscription_id
    )
    rows = session.scalars(metered.where(CatalogPrice.price_id.in_(own))).all() if subscription_id else []
    if plan is not None and all(price.plan != plan for price in rows):
        rows = session.scalars(metered.where(CatalogPrice.plan == plan, CatalogPrice.active)).all()
    return {price.usage_type or "": price for price in rows}


def tiers_of_period(
    session: Session, tenant_id: int, plan: str | None, subscription_id: str | None
) -> dict[str, Tiers]:
    """The tiers of each metered usage type: as Stripe has them, else as the catalogue defines them for the plan."""
    return tiers_of_prices(metered_prices(session, tenant_id, plan, subscription_id), plan)


def tiers_of_prices(prices: Mapping[str, CatalogPrice], plan: str | None) -> dict[str, Tiers]:
    """The tiers of these metered prices; where there are none, those that the catalogue defines for the plan."""
    if prices or plan is None or plan not in PLANS:
        return {name: price.tiers or [] for name, price in prices.items()}
    return {usage_type: tiers_as_json(tiers) for usage_type, tiers in PLANS[plan].tiers.items()}


def tiers_as_json(tiers: Sequence[Tier]) -> list[dict[str, Any]]:
    """Tiers of the catalogue as the table of prices holds them."""
    return [{"up_to": tier.up_to, "unit_amount_decimal": format(tier.rate, "f")} for tier in tiers]


def cost_of(tiers: Tiers, quantity: int) -> int:
    """What a quantity costs under graduated tiers; each tier is rounded on its own, as on Stripe's invoice lines."""
    total, below = 0, 0
    for tier in tiers:
        top = quantity if tier["up_to"] is None else min(quantity, int(tier["up_to"]))
        if top > below:
            amount = Decimal(tier["unit_amount_decimal"] or 0) * (top - below)
            total += int(amount.quantize(Decimal(1), ROUND_HALF_UP))
            below = top
    return total


def cost_of_all(tiers: Mapping[str, Tiers], totals: Mapping[str, int]) -> int:
    """What the totals of a period cost, over all types that have a price."""
    return sum(cost_of(tiers[usage_type], total) for usage_type, total in totals.items() if usage_type in tiers)
