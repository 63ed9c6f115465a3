"""Invoice items as they are made, and those that wait for the next invoice of a customer."""

from __future__ import annotations

from typing import Any

from sandbox.store import Thing, new_id
from sandbox.world import World


def add(
    world: World, customer: str, currency: str, amount: int, text: str, span: tuple[int, int], **more: Any
) -> Thing:
    """A new invoice item that waits for an invoice."""
    item: Thing = {
        "id": new_id("ii"),
        "object": "invoiceitem",
        "amount": amount,
        "currency": currency,
        "customer": customer,
        "date": world.clock.seconds(),
        "description": text,
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "net_amount": amount,
        "parent": None,
        "period": {"start": span[0], "end": span[1]},
        "pricing": None,
        "proration": False,
        "quantity": 1,
        "tax_rates": [],
        **more,
    }
    return world.create({**item, "quantity_decimal": str(item["quantity"])}, "invoiceitem.created")


def add_for(world: World, subscription: Thing, item: Thing, amount: int, text: str, **more: Any) -> Thing:
    """An invoice item that a change of a subscription's item causes; `span` and `quantity` come in `more`."""
    price = item["price"]
    span = more.pop("span")
    return add(
        world,
        subscription["customer"],
        price["currency"],
        amount,
        text,
        span,
        parent={
            "subscription_details": {"subscription": subscription["id"], "subscription_item": item["id"]},
            "type": "subscription_details",
        },
        pricing={
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": more.pop("rate", None),
        },
        **more,
    )


def waiting(world: World, customer: str, subscription: str | None, currency: str) -> list[Thing]:
    """What waits for the next invoice of this subscription, or (None) of the customer alone."""
    found = []
    for item in world.store.by("invoiceitem", "customer", customer):
        owner = ((item["parent"] or {}).get("subscription_details") or {}).get("subscription")
        if item["invoice"] is None and item["currency"] == currency and owner in {None, subscription}:
            found.append(item)
    return found
