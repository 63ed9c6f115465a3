"""Invoices on their way: drafted, counted again, finalized, with every event Stripe sends."""

from __future__ import annotations

from typing import Any

from sandbox.store import Thing, new_id
from sandbox.stripe import discounts, intents
from sandbox.stripe.invoice_lines import item_line, metered_lines
from sandbox.stripe.invoice_totals import lacks_location, totals
from sandbox.stripe.pending_items import waiting
from sandbox.world import World

Span = tuple[int, int]
# An item as it was, and the span whose usage an invoice bills for it.
Usage = tuple[Thing, Span]


def draft(
    world: World,
    subscription: Thing,
    reason: str,
    lines: list[Thing],
    span: Span,
    usages: list[Usage] | None = None,
) -> Thing:
    """A draft invoice of a subscription, with what waits for one. `usages` are metered again when it is finalized."""
    parent = {
        "quote_details": None,
        "subscription_details": {"metadata": subscription["metadata"], "subscription": subscription["id"]},
        "type": "subscription_details",
    }
    usages = usages or []
    items = waiting(world, subscription["customer"], subscription["id"], subscription["currency"])
    metered = [
        line
        for item, (start, stop) in usages
        for line in metered_lines(world, item, subscription["customer"], start, stop)
    ]
    invoice = draft_for(
        world,
        subscription["customer"],
        subscription["currency"],
        reason,
        [*lines, *metered, *(item_line(item) for item in items)],
        span,
        automatic_tax={**_no_tax(), "enabled": subscription["automatic_tax"]["enabled"]},
        default_payment_method=subscription["default_payment_method"],
        discounts=discounts.in_force(world, subscription["discounts"], world.clock.seconds()),
        parent=parent,
    )
    plan = [{"item": item, "span": list(span)} for item, span in usages]
    world.store.put("invoice_plan", {"id": invoice["id"], "usages": plan})
    for item in items:
        world.change(item, None, invoice=invoice["id"])
    world.change(subscription, None, latest_invoice=invoice["id"])
    return invoice


def _no_tax() -> Thing:
    return {"disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None}


def draft_for(
    world: World, customer_id: str, currency: str, reason: str, lines: list[Thing], span: Span, **more: Any
) -> Thing:
    """A draft invoice of a customer."""
    customer, now = world.need("customer", customer_id), world.clock.seconds()
    thing: Thing = {
        "id": new_id("in"),
        "object": "invoice",
        "account_country": "US",
        "account_name": "Countinghouse sandbox",
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": _no_tax(),
        "automatically_finalizes_at": now + world.setting("draft_seconds"),
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": now,
        "currency": currency,
        "customer": customer_id,
        "customer_address": customer.get("address"),
        "customer_email": customer.get("email"),
        "customer_name": customer.get("name"),
        "customer_tax_exempt": customer.get("tax_exempt", "none"),
        "customer_tax_ids": [
            {"type": each["type"], "value": each["value"]} for each in world.store.by("tax_id", "customer", customer_id)
        ],
        "default_tax_rates": [],
        "discounts": [],
        "ending_balance": None,
        "issuer": {"type": "self"},
        "livemode": False,
        "metadata": {},
        "parent": None,
        "payment_settings": dict.fromkeys(("default_mandate", "payment_method_options", "payment_method_types")),
        "period_end": span[1],
        "period_start": span[0],
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": customer.get("balance", 0),
        "status": "draft",
        "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
        **more,
    }
    return world.create({**thing, **totals(world, thing, lines)}, "invoice.created")


def add_items(world: World, invoice: Thing, items: list[Thing]) -> None:
    """Put invoice items on a draft."""
    lines = [*invoice["lines"]["data"], *(item_line(item) for item in items)]
    world.change(invoice, "invoice.updated", **totals(world, invoice, lines))
    for item in items:
        world.change(item, None, invoice=invoice["id"])


def recount(world: World, invoice: Thing) -> list[Thing]:
    """The lines with the meters read again: usage reported before an invoice is finalized counts, later not."""
    plan = (world.store.get("invoice_plan", invoice["id"]) or {"usages": []})["usages"]
    lines, last = [], None
    items = {usage["item"]["id"]: usage for usage in plan}
    for line in invoice["lines"]["data"]:
        details = line["parent"]["subscription_item_details"] or {}
        usage = items.get(details.get("subscription_item")) if not details.get("invoice_item") else None
        if usage is None:
            lines.append(line)
        elif usage is not last:
            last = usage
            lines += metered_lines(world, usage["item"], invoice["customer"], *usage["span"])
    return lines


def finalize(world: World, invoice: Thing) -> bool:
    """From draft to open: counted, taxed, numbered. False where the tax cannot be known; it stays a draft then."""
    now = world.clock.seconds()
    if lacks_location(world, invoice):
        message = "The customer's location is needed to count the tax: set customer.address.country."
        problem = {"code": "customer_tax_location_invalid", "message": message, "type": "invalid_request_error"}
        state = {**invoice["automatic_tax"], "status": "requires_location_inputs"}
        changes = {"automatic_tax": state, "automatically_finalizes_at": None, "last_finalization_error": problem}
        world.change(invoice, None, **changes)
        world.emit("invoice.finalization_failed", invoice)
        return False
    counted = totals(world, invoice, recount(world, invoice), with_credits=True)
    customer = world.need("customer", invoice["customer"])
    sequence = customer.get("next_invoice_sequence", 1)
    balance = customer.get("balance", 0)
    due = counted["total"] + balance
    ending = min(due, 0)
    if not customer.get("deleted"):
        world.change(customer, None, next_invoice_sequence=sequence + 1)
        world.change(customer, "customer.updated", balance=ending)
    world.change(
        invoice,
        None,
        **{**counted, "amount_due": max(due, 0), "amount_remaining": max(due, 0)},
        automatically_finalizes_at=None,
        effective_at=now,
        starting_balance=balance,
        ending_balance=ending,
        hosted_invoice_url=f"{world.base}/i/{invoice['id']}",
        invoice_pdf=f"{world.base}/i/{invoice['id']}/pdf",
        last_finalization_error=None,
        number=f"{customer.get('invoice_prefix', 'DELETED')}-{sequence:04d}",
        status="open",
        status_transitions={**invoice["status_transitions"], "finalized_at": now},
    )
    if invoice["amount_remaining"]:
        intents.open_for(world, invoice)
    world.emit("invoice.finalized", invoice)
    owner = subscription_of(world, invoice)
    if owner and owner["discounts"]:
        discounts.use_up(world, owner, invoice)
    return True


def subscription_of(world: World, invoice: Thing) -> Thing | None:
    """The subscription that an invoice bills."""
    details = (invoice["parent"] or {}).get("subscription_details")
    return world.store.get("subscription", details["subscription"]) if details else None
