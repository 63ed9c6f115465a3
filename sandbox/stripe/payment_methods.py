"""Payment methods: made, attached, detached, made the default."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing
from sandbox.stripe import cards
from sandbox.stripe.customers import present
from sandbox.stripe.routes import list_things, page_of, route
from sandbox.world import World


@route("POST", "/v1/payment_methods")
def create(world: World, params: Params) -> Thing:
    """A card that belongs to nobody yet."""
    params.choice("type", ("card",), "card")
    card = params.need("card")
    token = (card.get("token") or "").removeprefix("tok_")
    number = cards.TOKENS.get(f"card_{token}") if token else str(card.get("number", "")).replace(" ", "")
    if not number or not number.isdigit():
        raise StripeFault("Your card number is incorrect.", param="card[number]", code="incorrect_number", status=402)
    year = int(card.get("exp_year", 2040))
    method = cards.make_method(world, number, int(card.get("exp_month", 12)), year, **_billing(params))
    return world.change(method, None, metadata=params.metadata())


def _billing(params: Params) -> dict[str, Any]:
    given = params.take("billing_details") or {}
    return {name: given[name] for name in ("address", "email", "name", "phone") if name in given}


@route("GET", "/v1/payment_methods/{method}")
def retrieve(world: World, params: Params, method: str) -> Thing:
    """A payment method."""
    return world.need("payment_method", method)


@route("GET", "/v1/payment_methods")
def index(world: World, params: Params) -> Thing:
    """Payment methods of a customer."""
    return list_things(world, params, "payment_method", "/v1/payment_methods", filters=("customer", "type"))


@route("GET", "/v1/customers/{customer}/payment_methods")
def index_of_customer(world: World, params: Params, customer: str) -> Thing:
    """A customer's payment methods."""
    params.take("type")
    own = world.store.by("payment_method", "customer", customer)
    return page_of(own[::-1], params, f"/v1/customers/{customer}/payment_methods")


@route("POST", "/v1/payment_methods/{method}")
def update(world: World, params: Params, method: str) -> Thing:
    """Its expiry, billing details and metadata."""
    thing = world.need("payment_method", method)
    card, changes = params.take("card") or {}, {}
    if card:
        given = {name: int(card[name]) for name in ("exp_month", "exp_year") if name in card}
        changes["card"] = {**thing["card"], **given}
    details = _billing(params)
    if details:
        changes["billing_details"] = {**thing["billing_details"], **details}
    return world.change(thing, "payment_method.updated", metadata=params.metadata(thing["metadata"]), **changes)


@route("POST", "/v1/payment_methods/{method}/attach")
def attach_to(world: World, params: Params, method: str) -> Thing:
    """Give it to a customer; `pm_card_…` makes a new one of that test card."""
    customer = present(world, params.need("customer"))
    return attach(world, customer, need_method(world, method))


@route("POST", "/v1/payment_methods/{method}/detach")
def detach_from(world: World, params: Params, method: str) -> Thing:
    """Take it from its customer."""
    thing = world.need("payment_method", method)
    if thing["customer"] is None:
        raise StripeFault("The payment method is attached to no customer.", param="payment_method")
    return detach(world, thing)


def need_method(world: World, method: str) -> Thing:
    """A payment method, or a new one of a test card where its token is given."""
    number = cards.TOKENS.get(method.removeprefix("pm_"))
    return cards.make_method(world, number, 12, 2040) if number else world.need("payment_method", method)


def attach(world: World, customer: Thing, method: Thing) -> Thing:
    """Give a method to a customer; a card that is declined when it is saved is refused."""
    refusal = cards.refusal_to_save(cards.number_of(world, method))
    if refusal:
        raise refusal.fault(leaves_traces=False)
    if method["customer"] not in {None, customer["id"]}:
        raise StripeFault("The payment method belongs to another customer.", param="payment_method")
    if method["customer"] is None:
        world.change(method, None, customer=customer["id"])
        world.emit("payment_method.attached", method)
    return method


def detach(world: World, method: Thing) -> Thing:
    """Take a method from its customer; where it was the default there is none any more."""
    owner = world.store.get("customer", method["customer"])
    if owner and not owner.get("deleted") and owner["invoice_settings"]["default_payment_method"] == method["id"]:
        set_default(world, owner, None)
    for subscription in world.store.by("subscription", "customer", method["customer"]):
        if subscription["default_payment_method"] == method["id"]:
            world.change(subscription, "customer.subscription.updated", default_payment_method=None)
    before = {"customer": method["customer"]}
    world.change(method, None, customer=None)
    world.emit("payment_method.detached", method, before)
    return method


def set_default(world: World, customer: Thing, method_id: str | None) -> None:
    """The method that the customer's invoices are charged to."""
    settings = {**customer["invoice_settings"], "default_payment_method": method_id}
    world.change(customer, "customer.updated", invoice_settings=settings)


def save_card(world: World, customer: Thing, card: dict[str, Any]) -> Thing:
    """A card entered on a hosted page with the customer there: kept, set up, and the default from now on."""
    details = {name: card.get(name) for name in ("email", "name", "address")}
    method = cards.make_method(world, card["number"], card["exp_month"], card["exp_year"], set_up=True, **details)
    attach(world, customer, method)
    set_default(world, customer, method["id"])
    return method
