"""The customer authenticates a payment or a card, or fails to; and intents confirmed by the server."""

from __future__ import annotations

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing
from sandbox.stripe import cards, intents, lifecycle, setup_intents
from sandbox.stripe.payment_methods import need_method
from sandbox.stripe.routes import route
from sandbox.world import World

FAILED = cards.Decline(
    "payment_intent_authentication_failure",
    None,
    "The provided payment method has failed authentication. Provide another one to try again.",
)


def answer(world: World, intent: Thing, *, success: bool) -> None:
    """What comes of the customer's answer."""
    method = world.need("payment_method", intent["payment_method"])
    if intent["object"] == "setup_intent":
        if success:
            setup_intents.succeed(world, intent, method)
        else:
            setup_intents.fail(world, intent)
        return
    invoice = intents.invoice_of(world, intent)
    if invoice and success:
        lifecycle.collect(world, invoice, method, authenticated=True, counts=False)
    elif not success:
        intents.fail(world, intent, method, FAILED)


@route("POST", "/v1/payment_intents/{intent}/confirm")
def confirm(world: World, params: Params, intent: str) -> Thing:
    """Try an invoice's payment with this method."""
    thing = world.need("payment_intent", intent)
    invoice = intents.invoice_of(world, thing)
    if thing["status"] in {"succeeded", "canceled"} or invoice is None:
        raise StripeFault(f"The payment intent is {thing['status']}.", code="payment_intent_unexpected_state")
    params.take("return_url")
    params.flag("off_session")
    chosen = params.take("payment_method")
    outcome = lifecycle.collect(world, invoice, need_method(world, chosen) if chosen else None, counts=False)
    if isinstance(outcome, cards.Decline):
        raise outcome.fault()
    return thing
