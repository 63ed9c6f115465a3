"""Prices: what is archived or deleted at Stripe is not sold here any more; old subscriptions keep their plan."""

from __future__ import annotations

from dashboard.billing.plans.plans import stop_selling
from dashboard.billing.ports.events import PriceFacts
from dashboard.integrations.stripe.subjects import PROCESSED, Context, Kind, Outcome, apply_each, fetch_each


def apply_price(context: Context, price_id: str, facts: PriceFacts | None) -> Outcome:
    """Stop selling it. Only the set-up puts a price on sale, because only it knows which of several it means."""
    if facts is None or not facts.active:
        stop_selling(context.session, price_id)
    return PROCESSED


PRICE = Kind(
    "price", 0, fetch_each(lambda provider, object_id: provider.fetch_price(object_id)), apply_each(apply_price)
)
