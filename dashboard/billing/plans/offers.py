"""What can be bought: a plan at an interval, with the prices that sell it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.plans.catalog import INTERVALS, PlanDefinition
from dashboard.billing.plans.plans import PLANS, PricePins, catalog, free_plan, prices_of_plan
from dashboard.billing.ports.providers import PriceNotOnSale
from dashboard.models import CatalogPrice


def sold_plans() -> tuple[str, ...]:
    """The keys of the plans that are sold."""
    return tuple(key for key in PLANS if key != free_plan().key)


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan at an interval ("monthly", "yearly"). Usage is billed monthly whatever the interval of the base is.

    `metered_price_ids` maps a usage type to its price, in the order of the pages.
    """

    plan: PlanDefinition
    interval: str
    base_price_id: str
    metered_price_ids: dict[str, str]
    currency: str

    @property
    def price_ids(self) -> tuple[str, ...]:
        """The base price, then the metered ones."""
        return (self.base_price_id, *self.metered_price_ids.values())


def find_offer(session: Session, plan: object, interval: object, pins: PricePins) -> Offer:
    """The offer of this plan and interval.

    Raises `InvalidInput` (`plan`, `interval`), also for what is not on sale: never set up, or archived at Stripe.
    """
    free, sold_ones = free_plan(), sold_plans()
    if plan == free.key:
        raise InvalidInput("plan", f"cannot be bought: you are on {free.name} again when your subscription has ended")
    if not isinstance(plan, str) or plan not in sold_ones:
        raise InvalidInput("plan", f"must be one of {', '.join(sold_ones)}")
    if not isinstance(interval, str) or interval not in INTERVALS:
        raise InvalidInput("interval", f"must be one of {', '.join(INTERVALS)}")
    sold = prices_of_plan(session, plan, interval, pins)
    monthly = sold if interval == "monthly" else prices_of_plan(session, plan, "monthly", pins)
    if sold is None or monthly is None:
        raise InvalidInput("plan", f"is not on sale: {PLANS[plan].name}, {interval}")
    rows = session.execute(
        select(CatalogPrice.price_id, CatalogPrice.usage_type).where(CatalogPrice.price_id.in_(monthly[1]))
    )
    types = {price_id: usage_type or "" for price_id, usage_type in rows}
    metered = {types[price_id]: price_id for price_id in monthly[1]}
    currency = session.scalar(select(CatalogPrice.currency).where(CatalogPrice.price_id == sold[0]))
    return Offer(PLANS[plan], interval, sold[0], metered, currency or catalog().currency)


@contextmanager
def selling(offer: Offer) -> Iterator[None]:
    """Around calls to Stripe that sell this offer.

    Raises `InvalidInput` (`plan`) where a price of it was archived or deleted there since the catalogue was set up.
    """
    try:
        yield
    except PriceNotOnSale as refusal:
        message = f"is not on sale: Stripe has archived a price of {offer.plan.name}, {offer.interval}"
        raise InvalidInput("plan", message) from refusal
