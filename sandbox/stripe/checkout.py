"""Hosted Checkout: a session, and what paying it does."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe import customers, subscriptions
from sandbox.stripe.routes import list_things, route
from sandbox.world import World

OPEN_SECONDS = 86_400
UI_MODES = ("hosted_page", "embedded_page", "elements", "form")


@route("POST", "/v1/checkout/sessions")
def create(world: World, params: Params) -> Thing:
    """A session that sells a subscription on the hosted page."""
    if "payment_method_types" in params.values:
        raise StripeFault(
            "Received unknown parameter: payment_method_types", param="payment_method_types", code="parameter_unknown"
        )
    mode = params.choice("mode", ("subscription",))
    if mode is None:
        raise StripeFault("Missing required param: mode.", param="mode", code="parameter_missing")
    ui_mode = params.choice("ui_mode", UI_MODES, "hosted_page")
    customer = params.take("customer")
    if customer:
        customers.present(world, customer)
    items = _line_items(world, params.need("line_items"))
    now, session_id = world.clock.seconds(), new_id("cs_test", 58)
    total = sum((item["price"]["unit_amount"] or 0) * (item["quantity"] or 0) for item in items)
    details = params.take("subscription_data") or {}
    session = world.create(
        {
            "id": session_id,
            "object": "checkout.session",
            "adaptive_pricing": {"enabled": False},
            "amount_subtotal": total,
            "amount_total": total,
            "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
            "cancel_url": params.take("cancel_url"),
            "client_reference_id": params.take("client_reference_id"),
            "created": now,
            "currency": str(items[0]["price"]["currency"]),
            "custom_fields": [],
            "custom_text": dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
            "customer": customer,
            "customer_creation": None if customer else "always",
            "customer_email": params.take("customer_email"),
            "expires_at": params.integer("expires_at", now + OPEN_SECONDS),
            "livemode": False,
            "metadata": params.metadata(),
            "mode": mode,
            "payment_method_collection": "always",
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "payment_status": "unpaid",
            "phone_number_collection": {"enabled": False},
            "redirect_on_completion": None,
            "shipping_options": [],
            "status": "open",
            "success_url": params.take("success_url"),
            "ui_mode": ui_mode,
            "url": f"{world.base}/c/pay/{session_id}",
        }
    )
    world.store.put("checkout_plan", {"id": session_id, "items": items, "metadata": details.get("metadata") or {}})
    return session


def _line_items(world: World, given: Any) -> list[Thing]:
    items: list[Thing] = []
    for n, item in enumerate(given):
        price = world.need("price", item.get("price", ""))
        metered = price["recurring"]["usage_type"] == "metered"
        if metered and "quantity" in item:
            raise StripeFault("Quantity is not allowed for metered prices.", param=f"line_items[{n}][quantity]")
        if not metered and "quantity" not in item:
            raise StripeFault("Quantity is required.", param=f"line_items[{n}][quantity]")
        items.append({"price": price, "quantity": None if metered else int(item["quantity"])})
    if len({(item["price"]["recurring"]["interval"]) for item in items}) > 1:
        raise StripeFault("Checkout does not support prices with different intervals.", param="line_items")
    if len(items) > 20:
        raise StripeFault("At most 20 recurring line items.", param="line_items")
    return items


@route("GET", "/v1/checkout/sessions/{session}")
def retrieve(world: World, params: Params, session: str) -> Thing:
    """A session."""
    return world.need("checkout.session", session)


@route("GET", "/v1/checkout/sessions")
def index(world: World, params: Params) -> Thing:
    """Sessions."""
    filters = ("customer", "subscription", "status")
    return list_things(world, params, "checkout.session", "/v1/checkout/sessions", filters=filters)


@route("POST", "/v1/checkout/sessions/{session}/expire")
def expire(world: World, params: Params, session: str) -> Thing:
    """Close an open session."""
    thing = world.need("checkout.session", session)
    if thing["status"] != "open":
        raise StripeFault("Only open sessions can be expired.", param="session")
    world.change(thing, None, status="expired", url=None)
    world.emit("checkout.session.expired", thing)
    return thing


class CardDeclined(Exception):
    """The card on the hosted page was declined; the session stays open."""


def complete(world: World, session: Thing, card: dict[str, Any]) -> None:
    """The customer paid: payment first, then the subscription, then the session is complete.

    Raises `CardDeclined`.
    """
    if card["number"].endswith("0002"):
        raise CardDeclined
    plan = world.need("checkout_plan", session["id"])
    if session["customer"]:
        customer = customers.present(world, session["customer"])
    else:
        customer = customers.create(world, Params({"email": card["email"]}))
    customers.save_card(world, customer, card["number"], card["exp_month"], card["exp_year"], card["email"])
    wanted = [
        {"price": item["price"]["id"], **({"quantity": item["quantity"]} if item["quantity"] else {})}
        for item in plan["items"]
    ]
    subscription, invoice = subscriptions.begin(world, customer, wanted, plan["metadata"])
    world.change(
        session,
        None,
        customer=customer["id"],
        customer_details={
            "address": None,
            "business_name": None,
            "email": card["email"],
            "individual_name": None,
            "name": customer["name"],
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": [],
        },
        invoice=invoice["id"] if invoice else None,
        payment_status="paid" if session["amount_total"] else "no_payment_required",
        status="complete",
        subscription=subscription["id"],
        url=None,
    )
    world.emit("checkout.session.completed", session)
