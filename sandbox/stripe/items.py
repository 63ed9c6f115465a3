"""Subscription items: made of what a call gives, laid over the items there are."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.store import Thing, new_id
from sandbox.stripe.periods import first_boundary
from sandbox.world import World

LICENSED = "licensed"
GIVEN = {"id", "price", "quantity", "deleted", "metadata", "clear_usage"}


def is_metered(item: Thing) -> bool:
    """Whether it bills usage."""
    return bool(item["price"]["recurring"]["usage_type"] == "metered")


def list_of(subscription_id: str, items: list[Thing]) -> Thing:
    """Items as a subscription holds them."""
    return {
        "object": "list",
        "data": items,
        "has_more": False,
        "total_count": len(items),
        "url": f"/v1/subscription_items?subscription={subscription_id}",
    }


def make_item(world: World, subscription_id: str, given: Thing, start: int, stop: int) -> Thing:
    """A new item whose first period is `[start, stop)`."""
    price = need_price(world, given)
    item: Thing = {
        "id": new_id("si", 14),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": world.clock.seconds(),
        "current_period_end": stop,
        "current_period_start": start,
        "discounts": [],
        "metadata": given.get("metadata") or {},
        "subscription": subscription_id,
        "tax_rates": [],
    }
    return with_price(item, price, given.get("quantity"))


def with_price(item: Thing, price: Thing, quantity: Any) -> Thing:
    """The item with this price. A licensed quantity is 1 where none is given."""
    changed = {**item, "price": price, "plan": _plan(price)}
    changed.pop("quantity", None)
    if price["recurring"]["usage_type"] == LICENSED:
        return {**changed, "quantity": 1 if quantity is None else int(quantity)}
    if quantity is not None:
        raise StripeFault("Metered prices take no quantity.", param="items")
    return changed


def need_price(world: World, given: Thing) -> Thing:
    """The recurring, active price that a call names."""
    unknown = sorted(set(given) - GIVEN)
    if unknown:
        raise StripeFault(f"Received unknown parameter: items[{unknown[0]}]", param=f"items[{unknown[0]}]")
    if not given.get("price"):
        raise StripeFault("Missing required param: items[price].", param="items[price]", code="parameter_missing")
    price = world.need("price", given["price"])
    if price["recurring"] is None:
        raise StripeFault("The price must be a recurring one.", param="items[price]")
    if not price["active"]:
        raise StripeFault("The price specified is inactive.", param="items[price]")
    return price


def changed_items(world: World, subscription: Thing, given: list[Thing], at: int) -> list[Thing]:
    """The items after an update at `at`: those with an `id` are changed, those without are added.

    A price change sets a licensed quantity back to 1 where none is given.
    """
    items = {item["id"]: item for item in subscription["items"]["data"]}
    for wish in given:
        if "id" not in wish:
            price = need_price(world, wish)
            stop = first_boundary(price, subscription["billing_cycle_anchor"], at)
            added = make_item(world, subscription["id"], wish, at, stop)
            items[added["id"]] = added
            continue
        item = items.get(wish["id"])
        if item is None:
            raise StripeFault(f"No such subscription item: '{wish['id']}'", param="items[id]", code="resource_missing")
        if wish.get("deleted") == "true":
            del items[wish["id"]]
            continue
        items[item["id"]] = _changed(world, subscription, item, wish, at)
    if not items:
        raise StripeFault("A subscription must have at least one item.", param="items")
    return checked(list(items.values()))


def _changed(world: World, subscription: Thing, item: Thing, wish: Thing, at: int) -> Thing:
    is_same = "price" not in wish or wish["price"] == item["price"]["id"]
    price = item["price"] if is_same else need_price(world, wish)
    quantity = wish.get("quantity", item.get("quantity") if is_same else None)
    changed = with_price(item, price, quantity)
    if "metadata" in wish:
        changed["metadata"] = {**item["metadata"], **(wish["metadata"] or {})}
    if _interval(price) != _interval(item["price"]):
        changed["current_period_start"] = at
        changed["current_period_end"] = first_boundary(price, subscription["billing_cycle_anchor"], at)
    return changed


def _interval(price: Thing) -> tuple[str, int]:
    return price["recurring"]["interval"], price["recurring"]["interval_count"]


def checked(items: list[Thing]) -> list[Thing]:
    """The items, if they may stand together: one currency, no price twice, intervals that fit, at most 20."""
    prices = [item["price"] for item in items]
    if len({price["currency"] for price in prices}) != 1:
        raise StripeFault("All prices of a subscription must have one currency.", param="items")
    if len({price["id"] for price in prices}) != len(prices):
        raise StripeFault("A price can stand in a subscription only once.", param="items")
    if len(items) > 20:
        raise StripeFault("A subscription has at most 20 items.", param="items")
    lengths = [_length(price) for price in prices]
    for unit in ("month", "day"):
        own = [length for length, kind in lengths if kind == unit]
        if own and any(length % min(own) for length in own):
            raise StripeFault("Each interval must be a multiple of the shortest one.", param="items")
    return items


def _length(price: Thing) -> tuple[int, str]:
    interval, count = _interval(price)
    size, unit = {"day": (1, "day"), "week": (7, "day"), "month": (1, "month"), "year": (12, "month")}[interval]
    return size * count, unit


def _plan(price: Thing) -> Thing:
    """The old form of a price, which Stripe still sends along."""
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": price["metadata"],
        "meter": recurring["meter"],
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": recurring["usage_type"],
    }
