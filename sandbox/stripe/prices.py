"""Prices: flat or in tiers. A price is never changed but for its name, its activity and its lookup key."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.routes import page_of, route
from sandbox.world import World


@route("POST", "/v1/prices")
def create_price(world: World, params: Params) -> Thing:
    """A new price: per unit or in tiers, licensed or metered; without `recurring` for a single sale."""
    product = world.need("product", params.need("product"))
    recurring = _recurring(world, params) if params.take("recurring") else None
    scheme = params.choice("billing_scheme", ("per_unit", "tiered"), "per_unit")
    tiers = _tiers(params) if scheme == "tiered" else None
    amount = None if tiers else _amount(params)
    lookup_key = params.take("lookup_key")
    _release_lookup_key(world, lookup_key, transfer=bool(params.flag("transfer_lookup_key", default=False)))
    price_id = new_id("price")
    if tiers:
        world.store.put("price_tiers", {"id": price_id, "tiers": tiers})
    return world.create(
        {
            "id": price_id,
            "object": "price",
            "active": params.flag("active", default=True),
            "billing_scheme": scheme,
            "created": world.clock.seconds(),
            "currency": params.need("currency").lower(),
            "livemode": False,
            "lookup_key": lookup_key,
            "metadata": params.metadata(),
            "nickname": params.take("nickname"),
            "product": product["id"],
            "recurring": recurring,
            "tax_behavior": params.choice("tax_behavior", ("exclusive", "inclusive", "unspecified"), "unspecified"),
            "tiers_mode": params.choice("tiers_mode", ("graduated", "volume"), "graduated") if tiers else None,
            "type": "recurring" if recurring else "one_time",
            "unit_amount": int(amount) if amount is not None and amount == int(amount) else None,
            "unit_amount_decimal": format(amount, "f") if amount is not None else None,
        },
        "price.created",
    )


def _recurring(world: World, params: Params) -> Thing:
    given = params.need("recurring")
    unknown = set(given) - {"interval", "interval_count", "usage_type", "meter"}
    if unknown:
        raise StripeFault(f"Received unknown parameter: recurring[{unknown.pop()}]", param="recurring")
    if given.get("interval") not in {"day", "week", "month", "year"}:
        raise StripeFault("Invalid recurring[interval]", param="recurring[interval]")
    usage_type = given.get("usage_type", "licensed")
    if usage_type == "metered":
        if "meter" not in given:
            raise StripeFault("Metered prices need a meter.", param="recurring[meter]")
        world.need("billing.meter", given["meter"])
    return {
        "interval": given["interval"],
        "interval_count": int(given.get("interval_count", 1)),
        "meter": given.get("meter"),
        "trial_period_days": None,
        "usage_type": usage_type,
    }


def _amount(params: Params) -> Decimal:
    given = params.take("unit_amount_decimal")
    amount = params.integer("unit_amount")
    if (given is None) == (amount is None):
        raise StripeFault("Give one of unit_amount and unit_amount_decimal.", param="unit_amount")
    return _decimal(given if given is not None else amount, "unit_amount_decimal")


def _tiers(params: Params) -> list[Thing]:
    tiers = []
    for n, given in enumerate(params.need("tiers")):
        up_to = None if given.get("up_to") == "inf" else int(given["up_to"])
        rate = _decimal(given.get("unit_amount_decimal", given.get("unit_amount", "0")), f"tiers[{n}]")
        flat_text = given.get("flat_amount_decimal", given.get("flat_amount"))
        flat = None if flat_text is None else _decimal(flat_text, f"tiers[{n}]")
        tiers.append(
            {
                "flat_amount": int(flat) if flat is not None and flat == int(flat) else None,
                "flat_amount_decimal": None if flat is None else format(flat, "f"),
                "unit_amount": int(rate) if rate == int(rate) else None,
                "unit_amount_decimal": format(rate, "f"),
                "up_to": up_to,
            }
        )
    bounds: list[Any] = [tier["up_to"] for tier in tiers]
    if bounds[-1] is not None or bounds[:-1] != sorted(set(filter(None, bounds[:-1]))):
        raise StripeFault("Tiers must rise and end with up_to=inf.", param="tiers")
    return tiers


def _decimal(value: Any, param: str) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise StripeFault(f"Invalid decimal: {value}", param=param) from None
    if amount < 0 or -int(amount.as_tuple().exponent) > 12:
        raise StripeFault("At most 12 decimal places, and not negative.", param=param)
    return amount


def _release_lookup_key(world: World, key: str | None, *, transfer: bool) -> None:
    holder = next((price for price in world.store.all("price") if key and price["lookup_key"] == key), None)
    if holder is None:
        return
    if not transfer:
        raise StripeFault(f"A price ({holder['id']}) already uses that lookup key.", param="lookup_key")
    world.change(holder, "price.updated", lookup_key=None)


@route("GET", "/v1/prices/{price}")
def retrieve_price(world: World, params: Params, price: str) -> Thing:
    """A price."""
    return world.need("price", price)


@route("POST", "/v1/prices/{price}")
def update_price(world: World, params: Params, price: str) -> Thing:
    """Change what of a price can be changed."""
    thing = world.need("price", price)
    changes: dict[str, Any] = {"metadata": params.metadata(thing["metadata"])}
    if "active" in params.values:
        changes["active"] = params.flag("active")
    if "nickname" in params.values:
        changes["nickname"] = params.take("nickname") or None
    if "lookup_key" in params.values:
        changes["lookup_key"] = params.take("lookup_key") or None
        may_take = bool(params.flag("transfer_lookup_key", default=False))
        if changes["lookup_key"] != thing["lookup_key"]:
            _release_lookup_key(world, changes["lookup_key"], transfer=may_take)
    if "tax_behavior" in params.values:
        changes["tax_behavior"] = params.choice("tax_behavior", ("exclusive", "inclusive", "unspecified"))
        if thing["tax_behavior"] not in {"unspecified", changes["tax_behavior"]}:
            raise StripeFault("The tax behavior of this price is set for good.", param="tax_behavior")
    return world.change(thing, "price.updated", **changes)


@route("GET", "/v1/prices")
def index_prices(world: World, params: Params) -> Thing:
    """Prices, by product, activity or lookup keys."""
    keys = params.take("lookup_keys")
    filters = {name: value for name in ("product", "active", "currency") if (value := params.take(name)) is not None}
    things = [
        price
        for price in reversed(world.store.all("price"))
        if (keys is None or price["lookup_key"] in keys)
        and all(str(price[name]).lower() == value for name, value in filters.items())
    ]
    return page_of(things, params, "/v1/prices")
