"""What usage costs: the tiers of a plan's metered prices applied to quantities. Minor units throughout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import Select, bindparam, func, or_, select
from sqlalchemy.orm import Session

from dashboard.billing.plans.catalog import Tier
from dashboard.billing.plans.plans import PLANS
from dashboard.models import CatalogPrice, Subscription

Tiers = Sequence[Mapping[str, Any]]


def _select_metered_prices() -> Select[CatalogPrice, bool]:
    of_subscription = select(func.unnest(Subscription.price_ids)).where(
        Subscription.tenant_id == bindparam("tenant_id"), Subscription.id == bindparam("subscription_id")
    )
    is_own = CatalogPrice.price_id.in_(of_subscription)
    on_sale = (CatalogPrice.plan == bindparam("plan")) & CatalogPrice.active
    return select(CatalogPrice, is_own).where(CatalogPrice.usage_type.is_not(None), or_(is_own, on_sale))


# Pages and every look at a period ask for them: the statement is put together once.
_METERED_PRICES = _select_metered_prices()


def metered_prices(
    session: Session, tenant_id: int, plan: str | None, subscription_id: str | None
) -> dict[str, CatalogPrice]:
    """The metered prices by usage type: those of the subscription itself, else those on sale with the plan. One query.

    A subscription keeps its prices when the catalogue changes. Plan None is none of ours. A stretch from before the
    subscription changed its plan has the prices on sale with the plan it had.
    """
    scope = {"tenant_id": tenant_id, "subscription_id": subscription_id, "plan": plan}
    found = session.execute(_METERED_PRICES, scope).all()
    rows = [price for price, is_its_own in found if is_its_own]
    if plan is not None and all(price.plan != plan for price in rows):
        rows = [price for price, _ in found if price.plan == plan and price.active]
    return {price.usage_type or "": price for price in rows}


def tiers_of_period(
    session: Session, tenant_id: int, plan: str | None, subscription_id: str | None
) -> dict[str, Tiers]:
    """The tiers of each metered usage type: as Stripe has them, else as the catalogue defines them for the plan."""
    return tiers_of(metered_prices(session, tenant_id, plan, subscription_id), plan)


def tiers_of(rows: dict[str, CatalogPrice], plan: str | None) -> dict[str, Tiers]:
    """The tiers of these prices of a plan; of the catalogue where Stripe has none."""
    if rows or plan is None or plan not in PLANS:
        return {name: price.tiers or [] for name, price in rows.items()}
    return {usage_type: tiers_as_json(tiers) for usage_type, tiers in PLANS[plan].tiers.items()}


def tiers_as_json(tiers: Sequence[Tier]) -> list[dict[str, Any]]:
    """Tiers of the catalogue as the table of prices holds them."""
    return [{"up_to": tier.up_to, "unit_amount_decimal": format(tier.rate, "f")} for tier in tiers]


@dataclass(frozen=True, slots=True)
class TierPart:
    """What one tier makes of a quantity: `units` at `rate` (minor units for each) cost `amount`. Tiers count from 1."""

    tier: int
    units: int
    rate: Decimal
    amount: int


def rate_tiers(tiers: Tiers, quantity: int) -> list[TierPart]:
    """A quantity under graduated tiers, those that it reaches; each is rounded on its own, as on Stripe's lines."""
    parts, below = [], 0
    for number, tier in enumerate(tiers, 1):
        top = quantity if tier["up_to"] is None else min(quantity, int(tier["up_to"]))
        if top > below:
            rate = Decimal(tier["unit_amount_decimal"] or 0)
            amount = (rate * (top - below)).quantize(Decimal(1), ROUND_HALF_UP)
            parts.append(TierPart(number, top - below, rate, int(amount)))
            below = top
    return parts


def cost_of(tiers: Tiers, quantity: int) -> int:
    """What a quantity costs under graduated tiers."""
    return sum(part.amount for part in rate_tiers(tiers, quantity))


def cost_of_all(tiers: Mapping[str, Tiers], totals: Mapping[str, int]) -> int:
    """What the totals of a period cost, over all types that have a price."""
    return sum(cost_of(tiers[usage_type], total) for usage_type, total in totals.items() if usage_type in tiers)
