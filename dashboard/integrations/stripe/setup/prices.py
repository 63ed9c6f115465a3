"""Prices: found by lookup key and metadata, replaced where they differ, because a price itself can never change."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import stripe
from stripe import StripeClient

from dashboard.integrations.stripe.setup.price_specs import PriceSpec, params_of, unlike
from dashboard.integrations.stripe.setup.steps import Action, Found, Step, changed, differences, is_managed
from dashboard.integrations.stripe.setup.stock import Stock
from dashboard.integrations.stripe.translate import id_of

if TYPE_CHECKING:
    from stripe.params import PriceUpdateParams


def plan_prices(client: StripeClient, specs: list[PriceSpec], stock: Stock, found: Found) -> Iterator[Step]:
    """A step for each price of the catalogue, then one for each of ours that is on sale no more."""
    for spec in specs:
        pinned = next((price for price in stock.prices if price.id == spec.pinned), None)
        if pinned is not None and not is_managed(pinned.metadata):
            found.prices[spec.lookup_key] = pinned
            yield Step(Action.KEEP, "price", spec.lookup_key, f"{pinned.id}, pinned by {spec.setting}")
        else:
            yield _step(client, spec, stock, found)
    kept = {price.id for price in found.prices.values()}
    for price in stock.prices:
        if price.active and price.id not in kept and is_managed(price.metadata):
            archive = partial(client.v1.prices.update, price.id, {"active": False})
            yield Step(Action.ARCHIVE, "price", price.nickname or price.id, price.id, archive)


def _step(client: StripeClient, spec: PriceSpec, stock: Stock, found: Found) -> Step:
    meter = found.meters.get(spec.usage_type or "")
    meter_id = meter.id if meter else None
    candidates = [price for price in stock.prices if _may_be(spec, price)]
    same = [price for price in candidates if not unlike(spec, price, meter_id)]
    if not same:
        holder = next((price for price in candidates if price.lookup_key == spec.lookup_key), None)
        detail = unlike(spec, holder, meter_id) if holder else _amount(spec)
        return Step(Action.CREATE, "price", spec.lookup_key, detail, partial(_create, client, spec, found))
    # The one on sale under the key; else one that lost its key or was archived comes back.
    price = max(same, key=lambda each: (each.lookup_key == spec.lookup_key, each.active, each.created, each.id))
    found.prices[spec.lookup_key] = price
    return changed("price", spec.lookup_key, _differences(spec, price), partial(_update, client, spec, price))


def _may_be(spec: PriceSpec, price: stripe.Price) -> bool:
    """By its lookup key; else by its metadata, which only counts on the plan's own product."""
    if price.lookup_key == spec.lookup_key:
        return True
    return id_of(price.product) == spec.product_id and spec.metadata.items() <= price.metadata.to_dict().items()


def _differences(spec: PriceSpec, price: stripe.Price) -> str:
    """What can be changed in place. A price made by hand on another product keeps its name and metadata."""
    pairs: list[tuple[str, object, object]] = [
        ("active", price.active, True),
        ("lookup_key", price.lookup_key, spec.lookup_key),
        ("tax_behavior", price.tax_behavior or "unspecified", _tax_behavior(spec, price)),
    ]
    if id_of(price.product) == spec.product_id:
        told = price.metadata.to_dict()
        pairs.append(("nickname", price.nickname, spec.nickname))
        pairs += [(f"metadata.{key}", told.get(key), value) for key, value in spec.metadata.items()]
    return differences(pairs)


def _tax_behavior(spec: PriceSpec, price: stripe.Price) -> str:
    """What is wanted, where it is not set for good."""
    return spec.tax_behavior if price.tax_behavior in {None, "unspecified"} else str(price.tax_behavior)


def _create(client: StripeClient, spec: PriceSpec, found: Found) -> None:
    meter = found.meters.get(spec.usage_type or "")
    found.prices[spec.lookup_key] = client.v1.prices.create(params_of(spec, meter.id if meter else None))


def _update(client: StripeClient, spec: PriceSpec, price: stripe.Price) -> None:
    params: PriceUpdateParams = {"active": True}
    if price.lookup_key != spec.lookup_key:
        params["lookup_key"] = spec.lookup_key
        params["transfer_lookup_key"] = True
    if _tax_behavior(spec, price) != (price.tax_behavior or "unspecified"):
        params["tax_behavior"] = _tax_behavior(spec, price)
    if id_of(price.product) == spec.product_id:
        params["nickname"] = spec.nickname
        params["metadata"] = spec.metadata
    client.v1.prices.update(price.id, params)


def _amount(spec: PriceSpec) -> str:
    if spec.unit_amount is not None:
        return f"{spec.unit_amount} {spec.currency}, {spec.interval}"
    return f"{len(spec.tiers)} tiers, {spec.currency}"
