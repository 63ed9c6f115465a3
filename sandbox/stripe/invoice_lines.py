"""The lines of an invoice: a licensed price for the coming period, a metered one for the past, tier by tier."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from sandbox.store import Thing, new_id
from sandbox.stripe.meters import aggregate, events_between, tiered_amounts
from sandbox.world import World

INTERVAL_WORDS = {"day": "day", "week": "week", "month": "month", "year": "year"}


def licensed_line(world: World, item: Thing, start: int, stop: int) -> Thing:
    """The base fee of `[start, stop)`."""
    price = item["price"]
    quantity = item.get("quantity") or 1
    amount = round_half_up(Decimal(price["unit_amount_decimal"]) * quantity)
    name = world.need("product", price["product"])["name"]
    interval = INTERVAL_WORDS[price["recurring"]["interval"]]
    text = f"{quantity} × {name} (at {dollars(Decimal(price['unit_amount_decimal']))} / {interval})"
    return _line(item, text, quantity, amount, Decimal(price["unit_amount_decimal"]), start, stop)


def metered_lines(world: World, item: Thing, customer: str, start: int, stop: int) -> list[Thing]:
    """One line for each tier that the usage of `[start, stop)` reached; each amount is rounded by itself."""
    price = item["price"]
    meter = world.need("billing.meter", price["recurring"]["meter"])
    quantity = aggregate(meter, events_between(world, meter, customer, start, stop))
    name = meter["display_name"]
    interval = INTERVAL_WORDS[price["recurring"]["interval"]]
    tiers = world.need("price", price["id"])["tiers"]
    return [
        _line(
            item,
            f"{units} × {name} (Tier {number} at {dollars(rate)} / {interval})",
            units,
            round_half_up(rate * units),
            rate,
            start,
            stop,
        )
        for number, units, rate in tiered_amounts(tiers, quantity)
    ]


def _line(item: Thing, text: str, quantity: int, amount: int, rate: Decimal, start: int, stop: int) -> Thing:
    price = item["price"]
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": text,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": item["subscription"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        "period": {"start": start, "end": stop},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": format(rate, "f"),
        },
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "subscription": item["subscription"],
        "subtotal": amount,
        "taxes": [],
    }


def round_half_up(amount: Decimal) -> int:
    """Minor units, halves up."""
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def dollars(minor: Decimal) -> str:
    """A rate in words: at least two decimals, as many as it needs."""
    text = format((minor / 100).normalize(), "f")
    whole, _, rest = text.partition(".")
    return f"${whole}.{rest.ljust(2, '0')}"
