"""The pause and resume calls: no periods and no invoices in between."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing
from sandbox.stripe.invoice_lines import licensed_line
from sandbox.stripe.invoice_making import draft, finalize
from sandbox.stripe.items import is_metered, list_of
from sandbox.stripe.lifecycle import collect, pause, resume
from sandbox.stripe.pending_items import waiting
from sandbox.stripe.periods import first_boundary, period_end
from sandbox.stripe.prorations import bill_usage, prorate
from sandbox.stripe.routes import route
from sandbox.world import World

NEVER = ("paused", "incomplete", "incomplete_expired", "canceled", "trialing")


@route("POST", "/v1/subscriptions/{subscription}/pause")
def pause_now(world: World, params: Params, subscription: str) -> Thing:
    """Unused time is credited and usage billed, as items that wait or (`invoicing_behavior=invoice`) at once."""
    thing = world.need("subscription", subscription)
    if thing["status"] in NEVER or thing["schedule"]:
        why = "managed by a schedule" if thing["schedule"] else thing["status"]
        raise StripeFault(f"The subscription is {why}: it cannot be paused.", param="status")
    params.choice("type", ("subscription",))
    behavior = params.choice("invoicing_behavior", ("invoice", "pending_invoice_item"), "pending_invoice_item")
    bill_for = params.take("bill_for") or {}
    now, items = world.clock.seconds(), thing["items"]["data"]
    unused = (bill_for.get("unused_time_from") or {"type": "now"})["type"]
    if unused != "none":
        for item in (each for each in items if not is_metered(each)):
            since = item["current_period_start"] if unused == "item_current_period_start" else now
            prorate(world, thing, [item], [], since)
    if (bill_for.get("outstanding_usage_through") or {"type": "now"})["type"] != "none":
        for item in (each for each in items if is_metered(each)):
            bill_usage(world, thing, item, now)
    ended = [{**item, "current_period_end": now} for item in items]
    world.change(thing, None, items=list_of(thing["id"], ended))
    pause(world, thing, "pause_requested")
    if behavior == "invoice" and waiting(world, thing["customer"], thing["id"], thing["currency"]):
        invoice = draft(world, thing, "subscription_update", [], (now, now))
        if finalize(world, invoice):
            collect(world, invoice)
    return thing


@route("POST", "/v1/subscriptions/{subscription}/resume")
def resume_now(world: World, params: Params, subscription: str) -> Thing:
    """A new period begins. `resume_on_payment_success` charges and resumes when that is paid.

    The default, `resume_on_payment_attempt`, resumes at once and leaves the invoice open for `invoices.pay`.
    """
    thing = world.need("subscription", subscription)
    if thing["status"] != "paused":
        raise StripeFault(f"The subscription is {thing['status']}, not paused.", param="status")
    anchor: Any = params.take("billing_cycle_anchor") or {"type": "now"}
    if isinstance(anchor, str):
        raise StripeFault("billing_cycle_anchor must be an object: {type: now}.", param="billing_cycle_anchor")
    params.choice("proration_behavior", ("always_invoice", "create_prorations", "none"))
    params.integer("proration_date")
    behaviors = ("resume_on_payment_attempt", "resume_on_payment_success")
    behavior = params.choice("payment_behavior", behaviors, behaviors[0])
    now = world.clock.seconds()
    kept = thing["billing_cycle_anchor"] if anchor["type"] == "unchanged" else now
    items = [_begun(item, now, kept) for item in thing["items"]["data"]]
    for item in items:
        world.store.remove("usage_from", item["id"])
    wanted = {"id": thing["id"], "anchor": kept, "items": items, "invoice": None}
    lines = [
        licensed_line(world, item, item["current_period_start"], item["current_period_end"])
        for item in items
        if not is_metered(item)
    ]
    invoice = draft(world, thing, "subscription_update", lines, (now, now)) if lines else None
    if invoice is None or behavior == behaviors[0]:
        resume(world, thing, wanted)
        if invoice:
            world.change(invoice, None, auto_advance=False)
            finalize(world, invoice)
        return thing
    world.store.put("resuming", {**wanted, "invoice": invoice["id"]})
    if finalize(world, invoice):
        collect(world, invoice)
    return thing


def _begun(item: Thing, now: int, anchor: int) -> Thing:
    stop = period_end(item["price"], now, now) if anchor == now else first_boundary(item["price"], anchor, now)
    return {**item, "current_period_start": now, "current_period_end": stop}
