"""What usage costs: the tiers of a plan's metered prices applied to quantities. Minor units throughout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.plans import PLANS
from dashboard.models import CatalogPrice

Tiers = Sequence[Mapping[str, Any]]


def tiers_of_plan(session: Session, plan: str) -> dict[str, Tiers]:
    """The tiers of each metered usage type of a plan: as Stripe has them, else as the plan defines them."""
    rows = session.scalars(
        select(CatalogPrice).where(CatalogPrice.plan == plan, CatalogPrice.active, CatalogPrice.usage_type.is_not(None))
    )
    found: dict[str, Tiers] = {price.usage_type: price.tiers or [] for price in rows if price.usage_type}
    if found or plan not in PLANS:
        return found
    return {
        usage_type: [
            {"up_to": included, "unit_amount_decimal": "0"},
            {"up_to": None, "unit_amount_decimal": str(rate)},
        ]
        for usage_type, (included, rate) in PLANS[plan].allowances.items()
    }


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


def included_in(tiers: Tiers) -> int:
    """Units of the first tier when it is free, else 0."""
    first = tiers[0] if tiers else {}
    return int(first.get("up_to") or 0) if Decimal(first.get("unit_amount_decimal") or 0) == 0 else 0
