"""Customers."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.routes import list_things, route
from sandbox.world import World

TEXTS = ("name", "email", "description", "phone", "business_name", "individual_name")
ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def make(world: World, texts: dict[str, str | None], **more: Any) -> Thing:
    """A customer with these texts."""
    customer_id = new_id("cus", 14)
    return world.create(
        {
            "id": customer_id,
            "object": "customer",
            "address": None,
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
            "metadata": {},
            "next_invoice_sequence": 1,
            "preferred_locales": [],
            "tax_exempt": "none",
            **texts,
            **more,
        },
        "customer.created",
    )


def address_of(given: Any) -> Thing | None:
    """An address with all its fields, or None."""
    return {name: given.get(name) or None for name in ADDRESS} if given else None


@route("GET", "/v1/customers/{customer}")
def retrieve(world: World, params: Params, customer: str) -> Thing:
    """A customer; a deleted one leaves a stub."""
    return world.need("customer", customer)


@route("POST", "/v1/customers/{customer}")
def update(world: World, params: Params, customer: str) -> Thing:
    """Change a customer."""
    thing = present(world, customer)
    changes: dict[str, Any] = {name: params.take(name) or None for name in TEXTS if name in params.values}
    if "address" in params.values:
        changes["address"] = address_of(params.take("address"))
    if "balance" in params.values:
        changes["balance"] = params.integer("balance", 0)
    if "tax_exempt" in params.values:
        changes["tax_exempt"] = params.choice("tax_exempt", ("none", "exempt", "reverse", "")) or "none"
    settings = params.take("invoice_settings")
    if settings:
        _check_settings(world, thing, settings)
        changes["invoice_settings"] = {
            **thing["invoice_settings"],
            **{name: value or None for name, value in settings.items()},
        }
    return world.change(thing, "customer.updated", metadata=params.metadata(thing["metadata"]), **changes)


def _check_settings(world: World, customer: Thing, settings: Thing) -> None:
    method_id = settings.get("default_payment_method")
    if method_id and world.need("payment_method", method_id)["customer"] != customer["id"]:
        message = "The customer does not have a payment method with that id: attach it first."
        raise StripeFault(message, param="invoice_settings[default_payment_method]", code="resource_missing")


@route("GET", "/v1/customers")
def index(world: World, params: Params) -> Thing:
    """Customers that are not deleted, by email if asked."""
    page: Thing = list_things(world, params, "customer", "/v1/customers", filters=("email",), deleted=None)
    return page


def present(world: World, customer: str) -> Thing:
    """A customer that is not deleted."""
    thing = world.need("customer", customer)
    if thing.get("deleted"):
        raise StripeFault(f"No such customer: '{customer}'", status=404, param="customer", code="resource_missing")
    return thing
