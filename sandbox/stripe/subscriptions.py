"""The calls about subscriptions."""

from __future__ import annotations

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing
from sandbox.stripe import renewals, subscription_changes, subscription_params
from sandbox.stripe.customers import present
from sandbox.stripe.invoice_making import finalize
from sandbox.stripe.items import is_metered
from sandbox.stripe.lifecycle import UPDATED, collect, end
from sandbox.stripe.prorations import prorate, usage_start
from sandbox.stripe.routes import page_of, route
from sandbox.stripe.subscription_making import begin
from sandbox.world import World

OVER = ("canceled", "incomplete_expired")


@route("POST", "/v1/subscriptions")
def create(world: World, params: Params) -> Thing:
    """A subscription of a customer whose card is known."""
    customer = present(world, params.need("customer"))
    wanted = params.need("items")
    terms = subscription_params.read_terms(world, params, customer)
    subscription, _ = begin(world, customer, wanted, terms)
    ending = subscription_params.read_ending(world, subscription, params)
    return world.change(subscription, UPDATED, **ending)


@route("GET", "/v1/subscriptions/{subscription}")
def retrieve(world: World, params: Params, subscription: str) -> Thing:
    """A subscription."""
    return world.need("subscription", subscription)


@route("POST", "/v1/subscriptions/{subscription}")
def update(world: World, params: Params, subscription: str) -> Thing:
    """What is billed, when it ends, how it is paid."""
    thing = world.need("subscription", subscription)
    if thing["status"] in OVER:
        if set(params.values) - {"metadata", "expand"}:
            raise StripeFault("A canceled subscription can only update its metadata.", param="status")
        return world.change(thing, UPDATED, metadata=params.metadata(thing["metadata"]))
    others = subscription_params.read_changes(world, thing, params)
    wish = subscription_params.read_wish(world, thing, params)
    if wish is None:
        return world.change(thing, UPDATED, **others)
    if thing["status"] == "incomplete":
        raise StripeFault("An incomplete subscription cannot change until its first invoice is paid.", param="status")
    subscription_changes.change(world, thing, wish, others)
    return thing


@route("DELETE", "/v1/subscriptions/{subscription}")
def cancel(world: World, params: Params, subscription: str) -> Thing:
    """End it at once; usage not billed yet is billed only with `invoice_now`, unused time returned with `prorate`."""
    thing = world.need("subscription", subscription)
    if thing["status"] in OVER:
        raise StripeFault(f"No such subscription: '{subscription}'", status=404, code="resource_missing")
    details = params.take("cancellation_details") or {}
    comment = {name: details[name] for name in ("comment", "feedback") if name in details}
    world.change(thing, None, cancellation_details={**thing["cancellation_details"], **comment})
    end_now(
        world,
        thing,
        invoice_now=bool(params.flag("invoice_now", default=False)),
        prorates=bool(params.flag("prorate", default=False)),
    )
    return thing


def end_now(world: World, subscription: Thing, *, invoice_now: bool, prorates: bool) -> Thing | None:
    """Cancel at once; the last invoice, where one is wanted, is finalized and collected."""
    now, items = world.clock.seconds(), subscription["items"]["data"]
    was_running = subscription["status"] not in {"trialing", "incomplete", "paused"}
    licensed = [item for item in items if not is_metered(item)]
    if prorates and was_running:
        prorate(world, subscription, licensed, [], now)
    usages = [(item, (usage_start(world, item), now)) for item in items if is_metered(item)]
    end(world, subscription, "cancellation_requested")
    if not invoice_now:
        return None
    open_usages = [usage for usage in usages if usage[1][0] < usage[1][1]] if was_running else []
    invoice = renewals.last_invoice(world, subscription, open_usages, now)
    if invoice and finalize(world, invoice):
        collect(world, invoice)
    return invoice


def schedule_end(world: World, subscription: Thing) -> None:
    """End it with the period, as the portal does: in flexible mode that sets `cancel_at` to the last item's end."""
    world.change(
        subscription,
        UPDATED,
        cancel_at=max(item["current_period_end"] for item in subscription["items"]["data"]),
        canceled_at=world.clock.seconds(),
        cancellation_details={**subscription["cancellation_details"], "reason": "cancellation_requested"},
    )


def take_back_end(world: World, subscription: Thing) -> None:
    """Go on after all."""
    world.change(subscription, UPDATED, **subscription_params.not_ending(subscription))


@route("GET", "/v1/subscriptions")
def index(world: World, params: Params) -> Thing:
    """Subscriptions; canceled ones only when asked for."""
    status, customer, price = params.take("status"), params.take("customer"), params.take("price")
    own = world.store.by("subscription", "customer", customer) if customer else world.store.all("subscription")
    things = [
        each
        for each in reversed(own)
        if (status == "all" or (each["status"] == status if status else each["status"] != "canceled"))
        and (price is None or any(item["price"]["id"] == price for item in each["items"]["data"]))
    ]
    return page_of(things, params, "/v1/subscriptions")
