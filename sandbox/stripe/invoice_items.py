"""The calls about invoice items: amounts that wait for the next invoice of a customer."""

from __future__ import annotations

from decimal import Decimal

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing
from sandbox.stripe.customers import present
from sandbox.stripe.invoice_making import add_items
from sandbox.stripe.pending_items import add
from sandbox.stripe.pricing import round_half_up
from sandbox.stripe.routes import list_things, route
from sandbox.world import World


@route("POST", "/v1/invoiceitems")
def create(world: World, params: Params) -> Thing:
    """An amount for the next invoice, or for a draft."""
    customer = present(world, params.need("customer"))
    pricing, quantity = params.take("pricing"), params.integer("quantity", 1) or 1
    currency = (params.take("currency") or customer["currency"] or "usd").lower()
    amount, rate = params.integer("amount"), params.take("unit_amount_decimal")
    found: Thing | None = None
    if pricing:
        price = world.need("price", pricing.get("price", ""))
        currency, rate = price["currency"], price["unit_amount_decimal"]
        found = {"price_details": {"price": price["id"], "product": price["product"]}, "type": "price_details"}
        found["unit_amount_decimal"] = rate
    if amount is None:
        if rate is None:
            raise StripeFault("Give amount, unit_amount_decimal or pricing.", param="amount", code="parameter_missing")
        amount = round_half_up(Decimal(rate) * quantity)
    now, subscription = world.clock.seconds(), params.take("subscription")
    parent = None
    if subscription:
        world.need("subscription", subscription)
        details = {"subscription": subscription, "subscription_item": None}
        parent = {"subscription_details": details, "type": "subscription_details"}
    span = params.take("period") or {"start": now, "end": now}
    invoice = params.take("invoice")
    item = add(
        world,
        customer["id"],
        currency,
        amount,
        params.take("description"),
        (int(span["start"]), int(span["end"])),
        metadata=params.metadata(),
        quantity=quantity,
        pricing=found,
        parent=parent,
        discountable=params.flag("discountable", default=amount >= 0),
    )
    if invoice:
        _put_on_draft(world, item, invoice)
    return item


def _put_on_draft(world: World, item: Thing, invoice_id: str) -> None:
    invoice = world.need("invoice", invoice_id)
    if invoice["status"] != "draft":
        raise StripeFault("Only drafts take invoice items.", param="invoice", code="invoice_not_editable")
    add_items(world, invoice, [item])


@route("GET", "/v1/invoiceitems/{item}")
def retrieve(world: World, params: Params, item: str) -> Thing:
    """An invoice item."""
    return world.need("invoiceitem", item)


@route("DELETE", "/v1/invoiceitems/{item}")
def delete(world: World, params: Params, item: str) -> Thing:
    """Take back an item that is on no invoice yet."""
    thing = world.need("invoiceitem", item)
    if thing["invoice"]:
        raise StripeFault("The item is on an invoice already.", code="invoice_not_editable")
    world.store.remove("invoiceitem", item)
    world.emit("invoiceitem.deleted", thing)
    return {"id": item, "object": "invoiceitem", "deleted": True}


@route("GET", "/v1/invoiceitems")
def index(world: World, params: Params) -> Thing:
    """Invoice items; `pending` for those on no invoice."""
    pending = params.flag("pending")
    page: Thing = list_things(world, params, "invoiceitem", "/v1/invoiceitems", filters=("customer", "invoice"))
    if pending is not None:
        page["data"] = [each for each in page["data"] if (each["invoice"] is None) is pending]
    return page
