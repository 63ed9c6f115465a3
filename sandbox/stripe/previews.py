"""`invoices.create_preview`: what an invoice would be, made for real and taken back."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing
from sandbox.stripe import discounts, renewals, subscription_changes, subscription_params
from sandbox.stripe.customers import present
from sandbox.stripe.invoice_making import add_items
from sandbox.stripe.pending_items import add
from sandbox.stripe.routes import route
from sandbox.stripe.subscription_making import Terms, begin
from sandbox.stripe.subscriptions import end_now
from sandbox.world import World

READ = {"items", "proration_behavior", "proration_date", "trial_end", "billing_cycle_anchor", "cancel_at"}
READ |= {"cancel_at_period_end", "cancel_now", "metadata", "billing_mode"}


@route("POST", "/v1/invoices/create_preview")
def create_preview(world: World, params: Params) -> Thing:
    """The next invoice of a subscription as of now, or the one that a change would cause."""
    params.choice("preview_mode", ("next", "recurring"), "next")
    details = params.take("subscription_details") or {}
    unknown = sorted(set(details) - READ)
    if unknown:
        name = f"subscription_details[{unknown[0]}]"
        raise StripeFault(f"Received unknown parameter: {name}", param=name, code="parameter_unknown")
    subscription_id, customer_id = params.take("subscription"), params.take("customer")
    wanted = {name: params.take(name) for name in ("discounts", "automatic_tax", "invoice_items", "currency")}
    with world.only_looking():
        if subscription_id:
            invoice = _of_subscription(world, world.need("subscription", subscription_id), details, wanted)
        elif customer_id and details.get("items"):
            invoice = _of_new(world, present(world, customer_id), details, wanted)
        else:
            raise StripeFault("Give subscription, or customer and subscription_details[items].", param="subscription")
        if invoice is None:
            raise StripeFault("No upcoming invoices for customer", status=404, code="invoice_upcoming_none")
        preview = renewals.as_preview(world, invoice)
    _keep_lines(world, preview)
    return {**preview, "lines": {**preview["lines"], "url": f"/v1/invoices/{preview['id']}/lines"}}


KEPT = 20


def _keep_lines(world: World, preview: Thing) -> None:
    """A preview carries ten lines like any invoice; the rest is listed by its id, as long as it is one of the last.

    [?] That Stripe lists the lines of a preview under its id was read in its description of the call, not tried.
    """
    world.store.put("preview_lines", {"data": preview["lines"]["data"]}, preview["id"])
    if len(world.store.all("preview_lines")) > KEPT and (oldest := world.store.oldest("preview_lines")):
        world.store.remove("preview_lines", oldest[0])


def _of_subscription(world: World, subscription: Thing, details: Thing, wanted: Thing) -> Thing | None:
    if subscription["status"] in {"canceled", "incomplete_expired"}:
        return None
    for given in wanted["invoice_items"] or []:
        _add_item(world, subscription, given)
    params = Params(details)
    if details.get("cancel_now") == "true":
        prorates = details.get("proration_behavior", "create_prorations") != "none"
        return end_now(world, subscription, invoice_now=True, prorates=prorates)
    changes: dict[str, Any] = subscription_params.read_ending(world, subscription, params)
    if wanted["discounts"] is not None:
        owner = {"subscription": subscription["id"]}
        new = discounts.check(world, wanted["discounts"] or [])
        changes["discounts"] = discounts.redeem(world, new, subscription["customer"], **owner)
    if changes:
        world.change(subscription, None, **changes)
    wish = subscription_params.read_wish(world, subscription, params)
    invoice = subscription_changes.change(world, subscription, wish, {}) if wish else None
    if invoice is not None:
        return invoice
    world.clock.pinned = min(item["current_period_end"] for item in subscription["items"]["data"])
    return renewals.renew(world, subscription)


def _add_item(world: World, subscription: Thing, given: Thing) -> None:
    now = world.clock.seconds()
    owner = {"subscription": subscription["id"], "subscription_item": None}
    add(
        world,
        subscription["customer"],
        subscription["currency"],
        int(given.get("amount", 0)),
        given.get("description", ""),
        (now, now),
        parent={"subscription_details": owner, "type": "subscription_details"},
    )


def _of_new(world: World, customer: Thing, details: Thing, wanted: Thing) -> Thing | None:
    terms = Terms(
        payment_behavior="default_incomplete",
        trial_end=subscription_params.read_trial_end(world, details.get("trial_end"), None),
        automatic_tax=(wanted["automatic_tax"] or {}).get("enabled") == "true",
        discounts=discounts.check(world, wanted["discounts"]),
    )
    subscription, invoice = begin(world, customer, details["items"], terms)
    items = []
    for given in wanted["invoice_items"] or []:
        text, amount = given.get("description", ""), int(given.get("amount", 0))
        now = world.clock.seconds()
        items.append(add(world, customer["id"], subscription["currency"], amount, text, (now, now)))
    if invoice and items:
        add_items(world, invoice, items)
    return invoice
