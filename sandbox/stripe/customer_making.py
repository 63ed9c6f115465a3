"""A new customer, with a card where one is given at once."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing
from sandbox.stripe.customers import TEXTS, address_of, make
from sandbox.stripe.payment_methods import attach, need_method, set_default
from sandbox.stripe.routes import route
from sandbox.world import World


@route("POST", "/v1/customers")
def create(world: World, params: Params) -> Thing:
    """A new customer; `payment_method` is attached, and becomes the default where `invoice_settings` names it too."""
    texts = {name: params.take(name) or None for name in TEXTS}
    exempt = params.choice("tax_exempt", ("none", "exempt", "reverse", ""), "none") or "none"
    customer = make(
        world,
        texts,
        metadata=params.metadata(),
        address=address_of(params.take("address")),
        balance=params.integer("balance", 0),
        tax_exempt=exempt,
    )
    _give_card(world, customer, params.take("payment_method"), params.take("invoice_settings") or {})
    return customer


def _give_card(world: World, customer: Thing, given: str | None, settings: dict[str, Any]) -> None:
    """Nobody else's method can be the default of a customer that is just being made."""
    default = settings.get("default_payment_method")
    if default and default != given:
        message = "The customer does not have a payment method with that id: give it as payment_method too."
        raise StripeFault(message, param="invoice_settings[default_payment_method]", code="resource_missing")
    if given:
        method = attach(world, customer, need_method(world, given))
        if default:
            set_default(world, customer, method["id"])
