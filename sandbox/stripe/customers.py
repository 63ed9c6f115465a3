"""Customers and their payment methods."""

from __future__ import annotations

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.routes import list_things, route
from sandbox.world import World

TEXTS = ("name", "email", "description", "phone")


@route("POST", "/v1/customers")
def create(world: World, params: Params) -> Thing:
    """A new customer."""
    customer_id = new_id("cus", 14)
    return world.create(
        {
            "id": customer_id,
            "object": "customer",
            "balance": 0,
            "created": world.clock.seconds(),
            "delinquent": False,
            "invoice_prefix": customer_id[-8:].upper(),
            "invoice_settings": {
                "custom_fields": None,
                "default_payment_method": None,
                "footer": None,
                "rendering_options": None,
            },
            "livemode": False,
            "metadata": params.metadata(),
            "next_invoice_sequence": 1,
            "preferred_locales": [],
            "tax_exempt": "none",
            **{name: params.take(name) for name in TEXTS},
        },
        "customer.created",
    )


@route("GET", "/v1/customers/{customer}")
def retrieve(world: World, params: Params, customer: str) -> Thing:
    """A customer; a deleted one leaves a stub."""
    return world.need("customer", customer)


@route("POST", "/v1/customers/{customer}")
def update(world: World, params: Params, customer: str) -> Thing:
    """Change a customer."""
    thing = present(world, customer)
    changes = {name: params.take(name) or None for name in TEXTS if name in params.values}
    settings = params.take("invoice_settings")
    if settings:
        if "default_payment_method" in settings:
            world.need("payment_method", settings["default_payment_method"])
        changes["invoice_settings"] = {**thing["invoice_settings"], **settings}
    return world.change(thing, "customer.updated", metadata=params.metadata(thing["metadata"]), **changes)


@route("DELETE", "/v1/customers/{customer}")
def delete(world: World, params: Params, customer: str) -> Thing:
    """Delete a customer."""
    thing = present(world, customer)
    stub = {"id": customer, "object": "customer", "deleted": True}
    world.store.put("customer", stub)
    world.emit("customer.deleted", thing)
    return stub


@route("GET", "/v1/customers")
def index(world: World, params: Params) -> Thing:
    """Customers, by email if asked."""
    return list_things(world, params, "customer", "/v1/customers", filters=("email",))


def present(world: World, customer: str) -> Thing:
    """A customer that is not deleted."""
    thing = world.need("customer", customer)
    if thing.get("deleted"):
        raise StripeFault(f"No such customer: '{customer}'", status=404, param="customer", code="resource_missing")
    return thing


@route("GET", "/v1/customers/{customer}/payment_methods")
def index_methods(world: World, params: Params, customer: str) -> Thing:
    """A customer's payment methods."""
    url = f"/v1/customers/{customer}/payment_methods"
    return list_things(world, params, "payment_method", url, filters=("type",), customer=customer)


@route("GET", "/v1/payment_methods/{method}")
def retrieve_method(world: World, params: Params, method: str) -> Thing:
    """A payment method."""
    return world.need("payment_method", method)


def save_card(world: World, customer: Thing, number: str, exp_month: int, exp_year: int, email: str) -> Thing:
    """A card entered on the hosted page, kept as the customer's default."""
    card = {
        "brand": "visa" if number.startswith("4") else "mastercard",
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "display_brand": "visa" if number.startswith("4") else "mastercard",
        "exp_month": exp_month,
        "exp_year": exp_year,
        "fingerprint": new_id("fp", 12)[3:],
        "funding": "credit",
        "generated_from": None,
        "last4": number[-4:],
        "networks": {"available": ["visa"], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    method = world.create(
        {
            "id": new_id("pm"),
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": {
                "address": dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")),
                "email": email,
                "name": None,
                "phone": None,
                "tax_id": None,
            },
            "card": card,
            "created": world.clock.seconds(),
            "customer": customer["id"],
            "livemode": False,
            "metadata": {},
            "type": "card",
        },
        "payment_method.attached",
    )
    settings = {**customer["invoice_settings"], "default_payment_method": method["id"]}
    world.change(customer, "customer.updated", invoice_settings=settings)
    return method
