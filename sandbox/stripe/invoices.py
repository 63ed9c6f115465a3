"""The calls about invoices."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing
from sandbox.stripe import cards, discounts, lifecycle, payments
from sandbox.stripe.customers import present
from sandbox.stripe.invoice_lines import item_line
from sandbox.stripe.invoice_making import draft, draft_for, finalize
from sandbox.stripe.invoice_totals import totals
from sandbox.stripe.payment_methods import need_method
from sandbox.stripe.pending_items import waiting
from sandbox.stripe.routes import is_within, page_of, route
from sandbox.world import World


@route("POST", "/v1/invoices")
def create(world: World, params: Params) -> Thing:
    """A draft of what waits: of a subscription, or of the customer alone."""
    customer = present(world, params.need("customer"))
    now, subscription_id = world.clock.seconds(), params.take("subscription")
    advances = params.flag("auto_advance", default=False)
    changes: dict[str, Any] = {"auto_advance": advances, "metadata": params.metadata()}
    if not advances:
        changes["automatically_finalizes_at"] = None
    if subscription_id:
        subscription = world.need("subscription", subscription_id)
        if not waiting(world, customer["id"], subscription_id, subscription["currency"]):
            raise StripeFault("Nothing to invoice for subscription", code="invoice_no_subscription_line_items")
        return world.change(draft(world, subscription, "manual", [], (now, now)), None, **changes)
    currency = (params.take("currency") or customer["currency"] or "usd").lower()
    included = params.choice("pending_invoice_items_behavior", ("exclude", "include"), "exclude") == "include"
    items = waiting(world, customer["id"], None, currency) if included else []
    wanted = discounts.check(world, params.take("discounts"))
    given = discounts.redeem(world, wanted, customer["id"])
    lines = [item_line(item) for item in items]
    tax: Thing = {"disabled_reason": None, "liability": None, "provider": None, "status": None}
    tax["enabled"] = (params.take("automatic_tax") or {}).get("enabled") == "true"
    more = {"automatic_tax": tax, "discounts": given, **changes}
    invoice = draft_for(world, customer["id"], currency, "manual", lines, (now, now), **more)
    for item in items:
        world.change(item, None, invoice=invoice["id"])
    return invoice


@route("GET", "/v1/invoices/{invoice}")
def retrieve(world: World, params: Params, invoice: str) -> Thing:
    """An invoice."""
    return world.need("invoice", invoice)


@route("GET", "/v1/invoices/{invoice}/lines")
def index_lines(world: World, params: Params, invoice: str) -> Thing:
    """An invoice's lines, or those of a preview, a page at a time."""
    held = world.store.get("preview_lines", invoice) or world.need("invoice", invoice)["lines"]
    return page_of(held["data"], params, f"/v1/invoices/{invoice}/lines")


@route("GET", "/v1/invoices")
def index(world: World, params: Params) -> Thing:
    """Invoices, newest first."""
    subscription, customer = params.take("subscription"), params.take("customer")
    status, created = params.take("status"), params.take("created")
    own = world.store.by("invoice", "customer", customer) if customer else world.store.all("invoice")
    found = [
        each
        for each in reversed(own)
        if (status is None or each["status"] == status)
        and (subscription is None or _subscription_id(each) == subscription)
        and is_within(each["created"], created)
    ]
    return page_of(found, params, "/v1/invoices")


def _subscription_id(invoice: Thing) -> str | None:
    details = (invoice["parent"] or {}).get("subscription_details")
    return details["subscription"] if details else None


@route("POST", "/v1/invoices/{invoice}")
def update(world: World, params: Params, invoice: str) -> Thing:
    """Metadata, whether it advances by itself, its method; a draft's discounts."""
    thing = world.need("invoice", invoice)
    changes: dict[str, Any] = {"metadata": params.metadata(thing["metadata"])}
    if "auto_advance" in params.values:
        advances = params.flag("auto_advance")
        changes["auto_advance"] = advances
        if thing["status"] == "draft":
            due = world.clock.seconds() + world.setting("draft_seconds")
            changes["automatically_finalizes_at"] = due if advances else None
    if "default_payment_method" in params.values:
        changes["default_payment_method"] = params.take("default_payment_method") or None
    if "description" in params.values:
        changes["description"] = params.take("description") or None
    if "discounts" in params.values:
        _need(thing, "draft")
        wanted = discounts.check(world, params.take("discounts") or [])
        changes["discounts"] = discounts.redeem(world, wanted, thing["customer"], invoice=thing["id"])
        discounted = {**thing, "discounts": changes["discounts"]}
        changes |= totals(world, discounted, thing["lines"]["data"])
    return world.change(thing, "invoice.updated", **changes)


@route("DELETE", "/v1/invoices/{invoice}")
def delete(world: World, params: Params, invoice: str) -> Thing:
    """Throw a draft away; what was on it is gone."""
    thing = world.need("invoice", invoice)
    _need(thing, "draft")
    if _subscription_id(thing):
        raise StripeFault("A draft of a subscription cannot be deleted: void it.", code="invoice_not_editable")
    world.store.remove("invoice", invoice)
    world.emit("invoice.deleted", thing)
    return {"id": invoice, "object": "invoice", "deleted": True}


@route("POST", "/v1/invoices/{invoice}/finalize")
def finalize_now(world: World, params: Params, invoice: str) -> Thing:
    """From draft to open; where it advances by itself it is collected in an hour at Stripe, here at once."""
    thing = world.need("invoice", invoice)
    _need(thing, "draft")
    advances = params.flag("auto_advance", default=thing["auto_advance"])
    world.change(thing, None, auto_advance=advances)
    if not finalize(world, thing):
        problem = thing["last_finalization_error"]
        raise StripeFault(problem["message"], code=problem["code"], leaves_traces=True)
    if advances or not thing["amount_remaining"]:
        lifecycle.collect(world, thing)
    return thing


@route("POST", "/v1/invoices/{invoice}/pay")
def pay_now(world: World, params: Params, invoice: str) -> Thing:
    """Try the payment again, with another method if one is given; or mark it as paid elsewhere."""
    thing = world.need("invoice", invoice)
    if thing["status"] == "draft":
        finalize_now(world, Params({}), invoice)
        if thing["status"] == "paid":
            return thing
    if thing["status"] not in {"open", "uncollectible"}:
        raise StripeFault(f"This invoice is {thing['status']}, not open.", code="invoice_not_open")
    params.flag("off_session")
    if params.flag("paid_out_of_band"):
        payments.drop_payment(world, thing, "void_invoice")
        payments.settle(world, thing, counts=False, out_of_band=True)
        lifecycle.after_payment(world, thing)
        return thing
    chosen = params.take("payment_method")
    outcome = lifecycle.collect(world, thing, need_method(world, chosen) if chosen else None, counts=False)
    if isinstance(outcome, cards.Decline):
        raise outcome.fault()
    if outcome == "action":
        raise cards.AUTHENTICATE.fault()
    return thing


@route("POST", "/v1/invoices/{invoice}/void")
def void(world: World, params: Params, invoice: str) -> Thing:
    """It is owed no more."""
    thing = world.need("invoice", invoice)
    _need(thing, "open", "uncollectible")
    lifecycle.void(world, thing)
    return thing


@route("POST", "/v1/invoices/{invoice}/mark_uncollectible")
def mark_uncollectible(world: World, params: Params, invoice: str) -> Thing:
    """Nobody will pay it."""
    thing = world.need("invoice", invoice)
    _need(thing, "open")
    lifecycle.write_off(world, thing)
    return thing


@route("POST", "/v1/invoices/{invoice}/send")
def send(world: World, params: Params, invoice: str) -> Thing:
    """Mail it to the customer, were there mail."""
    thing = world.need("invoice", invoice)
    _need(thing, "open")
    world.emit("invoice.sent", thing)
    return thing


def _need(invoice: Thing, *statuses: str) -> None:
    if invoice["status"] not in statuses:
        code = "invoice_not_open" if "open" in statuses else "invoice_not_editable"
        raise StripeFault(f"This invoice is {invoice['status']}, not {' or '.join(statuses)}.", code=code)
