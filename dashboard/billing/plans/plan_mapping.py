"""Which plan a price means, from whatever we know of it; and prices that mean none, until staff says what they mean.

The first that knows wins: the environment's pins, what staff said, the catalogue's prices on sale or archived, then
what the price tells of itself (metadata, lookup key, product). A price that none of them knows never means Free: its
subscription has no plan, and waits for staff.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.plans.catalog import INTERVALS, base_lookup_key
from dashboard.billing.plans.known_prices import BoughtPlan, KnownPrices, read_prices
from dashboard.billing.plans.plans import PLANS, PricePins
from dashboard.billing.ports.providers import ItemFacts
from dashboard.models import CatalogPrice, PriceMapping

# The product of a plan at Stripe: its id tells whose plan a price made by hand is.
PRODUCT_PREFIX = "countinghouse_"
_INTERVAL_OF = {unit: name for name, unit in INTERVALS.items()}


def plan_of_items(session: Session, items: Sequence[ItemFacts], pins: PricePins) -> BoughtPlan | None:
    """The plan of a subscription by its items, or None where no price of it means one of ours."""
    return plan_by(read_prices(session, {item.price_id for item in items}), items, pins)


def plan_by(prices: KnownPrices, items: Sequence[ItemFacts], pins: PricePins) -> BoughtPlan | None:
    """The same where the items' prices were read already."""
    known = prices.bought_by([item.price_id for item in items], pins)
    if known:
        return known
    told = (_as_told(item) for item in items if not item.is_metered)
    return next((bought for bought in told if bought), None)


def base_price_ids(items: Iterable[ItemFacts]) -> list[str]:
    """The prices of which one may mean a plan: those that are not metered, or all where all are."""
    items = list(items)
    return [item.price_id for item in items if not item.is_metered] or [item.price_id for item in items]


def _as_told(item: ItemFacts) -> BoughtPlan | None:
    """What the price says itself: made by hand at Stripe, in another currency, or by another installation."""
    by_key = {base_lookup_key(plan, interval): plan for plan in PLANS for interval in INTERVALS}
    product = item.product_id or ""
    named = (
        item.metadata.get("plan"),
        by_key.get(item.lookup_key or ""),
        product.removeprefix(PRODUCT_PREFIX) if product.startswith(PRODUCT_PREFIX) else None,
    )
    plan = next((name for name in named if name in PLANS), None)
    interval = _INTERVAL_OF.get(item.interval) if item.interval_count == 1 else None
    return BoughtPlan(plan, interval, item.price_id) if plan else None


def map_price(session: Session, price_id: str, plan: str, interval: str, *, mapped_by: str, now: datetime) -> None:
    """Say that a price is the base fee of a plan. Saying it again replaces what was said before.

    Raises `InvalidInput`.
    """
    if not price_id.startswith("price_") or len(price_id) > 255:
        raise InvalidInput("price_id", "must be the id of a price, such as price_1Q…")
    if plan not in PLANS:
        raise InvalidInput("plan", f"must be one of {', '.join(PLANS)}")
    if interval not in INTERVALS:
        raise InvalidInput("interval", f"must be one of {', '.join(INTERVALS)}")
    if _is_in_catalogue(session, price_id):
        raise InvalidInput("price_id", "is a price of the catalogue: what it means is known")
    row = insert(PriceMapping).values(
        price_id=price_id, plan=plan, interval=interval, mapped_by=mapped_by, mapped_at=now
    )
    names = ("plan", "interval", "mapped_by", "mapped_at")
    session.execute(
        row.on_conflict_do_update(index_elements=["price_id"], set_={name: row.excluded[name] for name in names})
    )


def list_mappings(session: Session) -> list[PriceMapping]:
    """What staff said, the newest first."""
    return list(session.scalars(select(PriceMapping).order_by(PriceMapping.mapped_at.desc(), PriceMapping.price_id)))


def _is_in_catalogue(session: Session, price_id: str) -> bool:
    return session.get(CatalogPrice, price_id) is not None
