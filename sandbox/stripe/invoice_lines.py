"""The lines of an invoice: a licensed price for the coming period, a metered one for the past, invoice items."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.store import Thing, new_id
from sandbox.stripe.meter_usage import quantity_between
from sandbox.stripe.pricing import amount_of, money, round_half_up, tier_parts, tiers_of
from sandbox.world import World


def product_name(world: World, price: Thing) -> str:
    """What is sold, as the lines call it."""
    return str(world.need("product", price["product"])["name"])


def licensed_line(world: World, item: Thing, start: int, stop: int, *, in_trial: bool = False) -> Thing:
    """The base fee of `[start, stop)`; nothing while in trial."""
    price, quantity = item["price"], item["quantity"]
    name, interval = product_name(world, price), price["recurring"]["interval"]
    rate = Decimal(price["unit_amount_decimal"] or 0)
    if in_trial:
        return subscription_line(item, f"Trial period for {name}", quantity, 0, Decimal(0), (start, stop))
    text = f"{quantity} × {name} (at {money(rate, price['currency'])} / {interval})"
    return subscription_line(item, text, quantity, amount_of(world, price, quantity), rate, (start, stop))


def metered_lines(world: World, item: Thing, customer: str, start: int, stop: int) -> list[Thing]:
    """The usage of `[start, stop)`: one line for each tier that it reached, each amount rounded by itself."""
    price = item["price"]
    meter = world.need("billing.meter", price["recurring"]["meter"])
    quantity = quantity_between(world, meter, customer, start, stop)
    name, interval, currency = meter["display_name"], price["recurring"]["interval"], price["currency"]
    if price["billing_scheme"] == "per_unit":
        rate = Decimal(price["unit_amount_decimal"])
        text = f"{quantity} × {name} (at {money(rate, currency)} / {interval})"
        return [subscription_line(item, text, quantity, round_half_up(rate * quantity), rate, (start, stop))]
    lines = []
    for part in tier_parts(price["tiers_mode"], tiers_of(world, price), quantity):
        flat = "flat " if part.is_flat else ""
        text = f"{part.units} × {name} (Tier {part.number} {flat}at {money(part.rate, currency)} / {interval})"
        lines.append(subscription_line(item, text, part.units, part.amount, part.rate, (start, stop)))
    return lines


def subscription_line(
    item: Thing, text: str, quantity: int, amount: int, rate: Decimal, span: tuple[int, int]
) -> Thing:
    """A line that a subscription's item makes by itself."""
    parent = {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None,
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": item["subscription"],
            "subscription_item": item["id"],
        },
        "type": "subscription_item_details",
    }
    pricing = _pricing(item["price"], format(rate, "f"))
    return _line(item["price"]["currency"], text, quantity, amount, span, parent, pricing, item["subscription"])


def item_line(invoice_item: Thing) -> Thing:
    """The line of an invoice item: a proration, usage at a price that was left, or something of its own."""
    owner = (invoice_item["parent"] or {}).get("subscription_details") or {}
    details = {
        "invoice_item": invoice_item["id"],
        "proration": invoice_item["proration"],
        "proration_details": {"credited_items": None},
        "subscription": owner.get("subscription"),
    }
    parent: Thing = {"invoice_item_details": details, "subscription_item_details": None, "type": "invoice_item_details"}
    if owner.get("subscription_item"):
        details["subscription_item"] = owner["subscription_item"]
        kind = "subscription_item_details"
        parent = {"invoice_item_details": None, "subscription_item_details": details, "type": kind}
    line = _line(
        invoice_item["currency"],
        invoice_item["description"],
        invoice_item["quantity"],
        invoice_item["amount"],
        (invoice_item["period"]["start"], invoice_item["period"]["end"]),
        parent,
        invoice_item["pricing"],
        owner.get("subscription"),
    )
    return {**line, "discountable": invoice_item["discountable"], "metadata": invoice_item["metadata"]}


def _pricing(price: Thing, rate: str | None) -> Thing:
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": rate,
    }


def _line(
    currency: str,
    text: str | None,
    quantity: int,
    amount: int,
    span: tuple[int, int],
    parent: Thing,
    pricing: Any,
    subscription: str | None,
) -> Thing:
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": text,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "parent": parent,
        "period": {"start": span[0], "end": span[1]},
        "pretax_credit_amounts": [],
        "pricing": pricing,
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "subscription": subscription,
        "subtotal": amount,
        "taxes": [],
    }
