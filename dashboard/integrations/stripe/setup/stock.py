"""What Stripe has of us at this moment, read once before anything is planned."""

from __future__ import annotations

from dataclasses import dataclass

import stripe
from stripe import StripeClient
from stripe.billing import Meter
from stripe.entitlements import Feature

from dashboard.billing.plans.plan_mapping import PRODUCT_PREFIX

# Stripe takes so many lookup keys in one call.
MOST_KEYS = 10


@dataclass(frozen=True, slots=True)
class Stock:
    """Products and features by our keys, the features of each product, every meter, and the prices that concern us."""

    meters: tuple[Meter, ...]
    features: dict[str, Feature]
    products: dict[str, stripe.Product]
    links: dict[str, tuple[stripe.ProductFeature, ...]]
    prices: tuple[stripe.Price, ...]


def take_stock(client: StripeClient, lookup_keys: list[str], pinned: list[str]) -> Stock:
    """Read it: archived things too, because a second run must find what an earlier one archived.

    `pinned` are the prices that the environment names.
    """
    v1 = client.v1
    products = {
        product.id: product
        for product in v1.products.list({"limit": 100}).auto_paging_iter()
        if product.id.startswith(PRODUCT_PREFIX)
    }
    features = {
        feature.lookup_key: feature
        for archived in (True, False)
        for feature in v1.entitlements.features.list({"limit": 100, "archived": archived}).auto_paging_iter()
    }
    return Stock(
        meters=tuple(v1.billing.meters.list({"limit": 100}).auto_paging_iter()),
        features=features,
        products=products,
        links={key: tuple(v1.products.features.list(key, {"limit": 100}).auto_paging_iter()) for key in products},
        prices=_prices(client, list(products), lookup_keys, pinned),
    )


def _prices(
    client: StripeClient, products: list[str], lookup_keys: list[str], pinned: list[str]
) -> tuple[stripe.Price, ...]:
    """The prices of our products, those that hold our lookup keys on another product, and the pinned ones."""
    prices = client.v1.prices
    found: dict[str, stripe.Price] = {}
    for product in products:
        listed = prices.list({"product": product, "limit": 100, "expand": ["data.tiers"]})
        found.update({price.id: price for price in listed.auto_paging_iter()})
    held = {price.lookup_key for price in found.values()}
    missing = [key for key in lookup_keys if key not in held]
    for start in range(0, len(missing), MOST_KEYS):
        some = missing[start : start + MOST_KEYS]
        for price in prices.list({"lookup_keys": some, "limit": 100, "expand": ["data.tiers"]}).data:
            found[price.id] = price
    for price_id in pinned:
        if price_id not in found:
            found[price_id] = prices.retrieve(price_id, {"expand": ["tiers"]})
    return tuple(found.values())
