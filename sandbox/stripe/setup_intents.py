"""Setup intents: a card kept for later, without a payment."""

from __future__ import annotations

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.cards import asks_for_customer, number_of, refusal_to_save
from sandbox.stripe.customers import present
from sandbox.stripe.payment_methods import attach, need_method
from sandbox.stripe.routes import list_things, route
from sandbox.world import World


@route("POST", "/v1/setup_intents")
def create(world: World, params: Params) -> Thing:
    """A card to be kept; with `confirm` at once."""
    customer, method = params.take("customer"), params.take("payment_method")
    if customer:
        present(world, customer)
    params.take("automatic_payment_methods")
    usage = params.choice("usage", ("off_session", "on_session"), "off_session") or ""
    intent = make(world, customer, usage=usage, metadata=params.metadata())
    if params.flag("confirm", default=False):
        return _confirm(world, intent, method)
    if method:
        world.change(intent, None, payment_method=need_method(world, method)["id"], status="requires_confirmation")
    return intent


def make(
    world: World, customer: str | None, *, usage: str = "off_session", metadata: dict[str, str] | None = None
) -> Thing:
    """An intent that waits for a payment method."""
    intent_id = new_id("seti")
    return world.create(
        {
            "id": intent_id,
            "object": "setup_intent",
            "client_secret": f"{intent_id}_secret_{new_id('x', 20)[2:]}",
            "created": world.clock.seconds(),
            "customer": customer,
            "livemode": False,
            "metadata": metadata or {},
            "payment_method_types": ["card"],
            "status": "requires_payment_method",
            "usage": usage,
        },
        "setup_intent.created",
    )


@route("POST", "/v1/setup_intents/{intent}/confirm")
def confirm(world: World, params: Params, intent: str) -> Thing:
    """Keep the card."""
    thing = world.need("setup_intent", intent)
    params.take("return_url")
    return _confirm(world, thing, params.take("payment_method") or thing["payment_method"])


def _confirm(world: World, intent: Thing, method_id: str | None) -> Thing:
    if not method_id:
        raise StripeFault("You must provide a payment method.", param="payment_method", code="parameter_missing")
    method = need_method(world, method_id)
    number = number_of(world, method)
    if refusal := refusal_to_save(number):
        raise refusal.fault(leaves_traces=False)
    if asks_for_customer(world, number, method):
        action: dict[str, object] = {
            "redirect_to_url": {"return_url": None, "url": f"{world.base}/3ds/{intent['id']}"},
            "type": "redirect_to_url",
        }
        world.change(intent, None, payment_method=method["id"], next_action=action, status="requires_action")
        world.emit("setup_intent.requires_action", intent)
        return intent
    return succeed(world, intent, method)


def succeed(world: World, intent: Thing, method: Thing) -> Thing:
    """The card is kept, and set up for payments without the customer."""
    card = world.need("card", method["id"])
    world.store.put("card", {**card, "set_up": True})
    if intent["customer"] and method["customer"] is None:
        attach(world, present(world, intent["customer"]), method)
    world.change(intent, None, next_action=None, payment_method=method["id"], status="succeeded")
    world.emit("setup_intent.succeeded", intent)
    return intent


def fail(world: World, intent: Thing) -> None:
    """The customer did not authenticate."""
    error = {"code": "setup_intent_authentication_failure", "message": "Not authenticated.", "type": "card_error"}
    world.change(
        intent, None, last_setup_error=error, next_action=None, payment_method=None, status="requires_payment_method"
    )
    world.emit("setup_intent.setup_failed", intent)


@route("POST", "/v1/setup_intents/{intent}/cancel")
def cancel(world: World, params: Params, intent: str) -> Thing:
    """No card after all."""
    thing = world.need("setup_intent", intent)
    reason = params.choice("cancellation_reason", ("abandoned", "duplicate", "requested_by_customer"))
    world.change(thing, None, cancellation_reason=reason, status="canceled")
    world.emit("setup_intent.canceled", thing)
    return thing


@route("GET", "/v1/setup_intents/{intent}")
def retrieve(world: World, params: Params, intent: str) -> Thing:
    """A setup intent."""
    return world.need("setup_intent", intent)


@route("GET", "/v1/setup_intents")
def index(world: World, params: Params) -> Thing:
    """Setup intents."""
    return list_things(world, params, "setup_intent", "/v1/setup_intents", filters=("customer", "payment_method"))
