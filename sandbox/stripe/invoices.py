"""Invoices: drafted, counted again, finalized, voided, with every event Stripe sends on the way."""

from __future__ import annotations

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.invoice_lines import licensed_line, metered_lines
from sandbox.stripe.routes import list_things, page_of, route
from sandbox.world import World

DRAFT_SECONDS = 3_600


def draft(world: World, subscription: Thing, reason: str, lines: list[Thing], start: int, stop: int) -> Thing:
    """A draft invoice of a subscription."""
    customer = world.need("customer", subscription["customer"])
    invoice_id = new_id("in")
    thing: Thing = {
        "id": invoice_id,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Countinghouse sandbox",
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": world.clock.seconds() + DRAFT_SECONDS,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": world.clock.seconds(),
        "currency": subscription["currency"],
        "customer": customer["id"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_tax_rates": [],
        "discounts": [],
        "ending_balance": None,
        "issuer": {"type": "self"},
        "livemode": False,
        "metadata": {},
        "parent": {
            "quote_details": None,
            "subscription_details": {"metadata": subscription["metadata"], "subscription": subscription["id"]},
            "type": "subscription_details",
        },
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": stop,
        "period_start": start,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status": "draft",
        "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": None,
        **_totals(invoice_id, lines),
    }
    return world.create(thing, "invoice.created")


def _totals(invoice_id: str, lines: list[Thing]) -> Thing:
    for line in lines:
        line["invoice"] = invoice_id
    total = sum(line["amount"] for line in lines)
    return {
        "lines": {
            "object": "list",
            "data": lines,
            "has_more": False,
            "total_count": len(lines),
            "url": f"/v1/invoices/{invoice_id}/lines",
        },
        "amount_due": total,
        "amount_remaining": total,
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "total": total,
        "total_excluding_tax": total,
    }


def recount(world: World, invoice: Thing) -> None:
    """Read the meters again: usage reported within the hour of the draft still counts."""
    subscription = world.need("subscription", invoice["parent"]["subscription_details"]["subscription"])
    items = {item["id"]: item for item in subscription["items"]["data"]}
    lines, seen = [], set()
    for line in invoice["lines"]["data"]:
        details = line["parent"]["subscription_item_details"]
        item = items[details["subscription_item"]]
        if item["price"]["recurring"]["usage_type"] != "metered":
            lines.append(line)
        elif item["id"] not in seen:
            seen.add(item["id"])
            span = line["period"]
            lines += metered_lines(world, item, invoice["customer"], span["start"], span["end"])
    world.change(invoice, None, **_totals(invoice["id"], lines))


def finalize(world: World, invoice: Thing) -> None:
    """From draft to open: it gets its number."""
    customer = world.need("customer", invoice["customer"])
    sequence = customer["next_invoice_sequence"]
    world.change(customer, None, next_invoice_sequence=sequence + 1)
    now = world.clock.seconds()
    world.change(
        invoice,
        None,
        automatically_finalizes_at=None,
        effective_at=now,
        ending_balance=0,
        hosted_invoice_url=f"{world.base}/i/{invoice['id']}",
        invoice_pdf=f"{world.base}/i/{invoice['id']}/pdf",
        number=f"{customer['invoice_prefix']}-{sequence:04d}",
        status="open",
        status_transitions={**invoice["status_transitions"], "finalized_at": now},
    )
    world.emit("invoice.finalized", invoice)


def renewal_lines(world: World, subscription: Thing, spans: dict[str, tuple[int, int]]) -> list[Thing]:
    """Licensed items for their period as it is now; metered ones for the past `spans` by item id."""
    lines: list[Thing] = []
    for item in subscription["items"]["data"]:
        if item["price"]["recurring"]["usage_type"] == "metered":
            if item["id"] in spans:
                lines += metered_lines(world, item, subscription["customer"], *spans[item["id"]])
        elif item["id"] in spans and subscription["status"] != "canceled":
            lines.append(licensed_line(world, item, item["current_period_start"], item["current_period_end"]))
    return lines


@route("GET", "/v1/invoices/{invoice}")
def retrieve(world: World, params: Params, invoice: str) -> Thing:
    """An invoice."""
    return world.need("invoice", invoice)


@route("GET", "/v1/invoices/{invoice}/lines")
def index_lines(world: World, params: Params, invoice: str) -> Thing:
    """An invoice's lines, a page at a time."""
    return page_of(world.need("invoice", invoice)["lines"]["data"], params, f"/v1/invoices/{invoice}/lines")


@route("GET", "/v1/invoices")
def index(world: World, params: Params) -> Thing:
    """Invoices, newest first."""
    subscription = params.take("subscription")
    page: Thing = list_things(world, params, "invoice", "/v1/invoices", filters=("customer", "status"))
    if subscription:
        page["data"] = [
            each for each in page["data"] if each["parent"]["subscription_details"]["subscription"] == subscription
        ]
    return page


@route("POST", "/v1/invoices/{invoice}/void")
def void(world: World, params: Params, invoice: str) -> Thing:
    """Void an open invoice."""
    thing = world.need("invoice", invoice)
    if thing["status"] != "open":
        raise StripeFault(f"This invoice is {thing['status']}, not open.", code="invoice_not_open")
    moments = {**thing["status_transitions"], "voided_at": world.clock.seconds()}
    world.change(thing, None, status="void", status_transitions=moments)
    world.emit("invoice.voided", thing)
    return thing
