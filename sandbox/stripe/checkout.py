"""Checkout sessions: what a hosted page sells or keeps."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe import customers, discounts, setup_intents, subscription_params
from sandbox.stripe.items import checked, need_price
from sandbox.stripe.routes import list_things, page_of, route
from sandbox.stripe.subscription_making import Terms, begin
from sandbox.world import World

OPEN_SECONDS = 86_400
SHORTEST, LONGEST = 1_800, 86_400
UI_MODES = ("hosted_page", "embedded_page", "elements", "form")
REMOVED = ("payment_method_types", "coupon", "promotion_code")
# Taken and kept without any effect on the page.
SHOWN_ONLY = ("locale", "submit_type")


@route("POST", "/v1/checkout/sessions")
def create(world: World, params: Params) -> Thing:
    """A session that sells a subscription, or keeps a card for later (`mode=setup`)."""
    for name in REMOVED:
        if name in params.values:
            raise StripeFault(f"Received unknown parameter: {name}", param=name, code="parameter_unknown")
    mode = params.choice("mode", ("subscription", "setup"))
    if mode is None:
        raise StripeFault("Missing required param: mode.", param="mode", code="parameter_missing")
    customer = params.take("customer")
    if customer:
        customers.present(world, customer)
        if params.take("customer_email"):
            raise StripeFault("Give customer or customer_email, not both.", param="customer_email")
    now = world.clock.seconds()
    expires_at = params.integer("expires_at", now + OPEN_SECONDS) or 0
    if not now + SHORTEST <= expires_at <= now + LONGEST:
        raise StripeFault("expires_at must be from 30 minutes to 24 hours from now.", param="expires_at")
    items = _line_items(world, params.need("line_items")) if mode == "subscription" else []
    plan = _read_plan(world, params, mode)
    if customer:
        _check_updates(world, customer, plan, params)
    session_id = new_id("cs_test", 58)
    totals = _amounts(world, customer, items, plan) if items else _nothing(params)
    intent = None
    if mode == "setup":
        details = params.take("setup_intent_data") or {}
        intent = setup_intents.make(world, customer, metadata=details.get("metadata"))["id"]
    session = world.create(
        {
            **_shape(world, params, session_id, plan),
            **totals,
            "created": now,
            "customer": customer,
            "customer_creation": None if customer else "always",
            "expires_at": expires_at,
            "mode": mode,
            "setup_intent": intent,
        }
    )
    world.store.put("checkout_plan", {**plan, "id": session_id, "items": items})
    return session


def _shape(world: World, params: Params, session_id: str, plan: Thing) -> Thing:
    tax_ids = params.take("tax_id_collection")
    return {
        "id": session_id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "allow_promotion_codes": params.flag("allow_promotion_codes"),
        "automatic_tax": {"enabled": plan["automatic_tax"], "liability": None, "provider": None, "status": None},
        "billing_address_collection": params.choice("billing_address_collection", ("auto", "required")),
        "cancel_url": params.take("cancel_url"),
        "client_reference_id": params.take("client_reference_id"),
        "custom_fields": [],
        "custom_text": dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
        "customer_email": params.take("customer_email"),
        "discounts": [
            {"coupon": None if each["promotion_code"] else each["coupon"], "promotion_code": each["promotion_code"]}
            for each in plan["discounts"]
        ],
        "livemode": False,
        "metadata": params.metadata(),
        "payment_method_collection": params.choice("payment_method_collection", ("always", "if_required"), "always"),
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "phone_number_collection": {"enabled": False},
        "redirect_on_completion": None,
        "shipping_options": [],
        "status": "open",
        "success_url": params.take("success_url"),
        "tax_id_collection": {"enabled": tax_ids.get("enabled") == "true", "required": "never"} if tax_ids else None,
        "ui_mode": params.choice("ui_mode", UI_MODES, "hosted_page"),
        "url": f"{world.base}/c/pay/{session_id}",
        **{name: params.take(name) for name in SHOWN_ONLY},
    }


def _read_plan(world: World, params: Params, mode: str) -> Thing:
    """What paying will do, beside the items."""
    details = params.take("subscription_data") or {}
    if details and mode == "setup":
        raise StripeFault("subscription_data goes with mode=subscription only.", param="subscription_data")
    given = params.take("discounts")
    if given and params.flag("allow_promotion_codes"):
        raise StripeFault("Give discounts or allow_promotion_codes, not both.", param="discounts")
    days = details.get("trial_period_days")
    if days is not None and not (str(days).isdigit() and 1 <= int(days) <= 730):
        raise StripeFault("Must be from 1 to 730.", param="subscription_data[trial_period_days]")
    update = params.take("customer_update") or {}
    return {
        "metadata": details.get("metadata") or {},
        "description": details.get("description"),
        "trial_days": int(days) if days else None,
        "trial_end": int(details["trial_end"]) if "trial_end" in details else None,
        "missing": subscription_params.read_missing(details.get("trial_settings")),
        "discounts": discounts.check(world, given),
        "automatic_tax": (params.take("automatic_tax") or {}).get("enabled") == "true",
        "keeps_address": update.get("address") == "auto",
        "keeps_name": update.get("name") == "auto",
    }


def _check_updates(world: World, customer: str, plan: Thing, params: Params) -> None:
    """What the page collects from a known customer must be allowed to change that customer."""
    known = (world.need("customer", customer)["address"] or {}).get("country")
    if plan["automatic_tax"] and not known and not plan["keeps_address"]:
        message = "Automatic tax requires a valid address on the Customer, or customer_update[address] set to auto."
        raise StripeFault(message, param="customer_update[address]", code="customer_tax_location_invalid")
    if (params.take("tax_id_collection") or {}).get("enabled") == "true" and not plan["keeps_name"]:
        message = "Tax ID collection for an existing customer requires customer_update[name] set to auto."
        raise StripeFault(message, param="customer_update[name]")


def terms_of(world: World, plan: Thing, **more: Any) -> Terms:
    """The terms of the subscription that paying begins."""
    trial_end = plan["trial_end"]
    if plan["trial_days"]:
        trial_end = subscription_params.read_trial_end(world, None, plan["trial_days"])
    wanted = {
        "metadata": plan["metadata"],
        "description": plan["description"],
        "trial_end": trial_end,
        "missing_payment_method": plan["missing"],
        "automatic_tax": plan["automatic_tax"],
        "discounts": plan["discounts"],
    }
    return Terms(**{**wanted, **more})


def wishes(plan: Thing) -> list[Thing]:
    """The items of a plan as a new subscription takes them."""
    return [
        {"price": item["price"]["id"], **({"quantity": item["quantity"]} if item["quantity"] else {})}
        for item in plan["items"]
    ]


def _nothing(params: Params) -> Thing:
    return {"amount_subtotal": None, "amount_total": None, "currency": params.take("currency")}


def _amounts(world: World, customer_id: str | None, items: list[Thing], plan: Thing) -> Thing:
    """What is due today, as far as is known before the customer says where they are."""
    with world.only_looking():
        customer = world.need("customer", customer_id) if customer_id else customers.make(world, {"email": None})
        taxed = plan["automatic_tax"] and bool((customer["address"] or {}).get("country"))
        terms = terms_of(world, plan, payment_behavior="default_incomplete", automatic_tax=taxed)
        subscription, invoice = begin(world, customer, wishes({"items": items}), terms)
        return {**totals_of(invoice), "currency": subscription["currency"]}


def totals_of(invoice: Thing | None) -> Thing:
    """A session's amounts, from the invoice that it makes."""
    if invoice is None:
        invoice = {"subtotal": 0, "total": 0, "total_discount_amounts": [], "total_taxes": []}
    return {
        "amount_subtotal": invoice["subtotal"],
        "amount_total": invoice["total"],
        "total_details": {
            "amount_discount": sum(each["amount"] for each in invoice["total_discount_amounts"]),
            "amount_shipping": 0,
            "amount_tax": sum(each["amount"] for each in invoice["total_taxes"]),
        },
    }


def _line_items(world: World, given: Any) -> list[Thing]:
    items: list[Thing] = []
    for n, item in enumerate(given):
        price = need_price(world, {"price": item.get("price", "")})
        metered = price["recurring"]["usage_type"] == "metered"
        if metered and "quantity" in item:
            raise StripeFault("Quantity is not allowed for metered prices.", param=f"line_items[{n}][quantity]")
        if not metered and "quantity" not in item:
            raise StripeFault("Quantity is required.", param=f"line_items[{n}][quantity]")
        items.append({"price": price, "quantity": None if metered else int(item["quantity"])})
    if len({(item["price"]["recurring"]["interval"]) for item in items}) > 1:
        raise StripeFault("Checkout does not support prices with different intervals.", param="line_items")
    checked(items)
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
    expire_now(world, thing)
    return thing


def expire_now(world: World, session: Thing) -> None:
    """Too late to pay."""
    world.change(session, None, status="expired", url=None)
    world.emit("checkout.session.expired", session)


@route("GET", "/v1/checkout/sessions/{session}/line_items")
def index_items(world: World, params: Params, session: str) -> Thing:
    """What a session sells."""
    world.need("checkout.session", session)
    rows = []
    for item in world.need("checkout_plan", session)["items"]:
        amount = (item["price"]["unit_amount"] or 0) * (item["quantity"] or 0)
        rows.append(
            {
                "id": f"li_{item['price']['id'][6:]}",
                "object": "item",
                "amount_discount": 0,
                "amount_subtotal": amount,
                "amount_tax": 0,
                "amount_total": amount,
                "currency": item["price"]["currency"],
                "description": world.need("product", item["price"]["product"])["name"],
                "metadata": {},
                "price": item["price"],
                "quantity": item["quantity"],
            }
        )
    return page_of(rows, params, f"/v1/checkout/sessions/{session}/line_items")
