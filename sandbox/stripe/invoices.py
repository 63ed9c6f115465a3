"""Invoices: drafted, finalized, paid, with every event Stripe sends on the way."""

from __future__ import annotations

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.invoice_lines import licensed_line, metered_lines
from sandbox.stripe.routes import list_things, page_of, route
from sandbox.world import World

DRAFT_SECONDS = 3_600
DECLINING = "0002"


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


def pay(world: World, invoice: Thing) -> bool:
    """Take the payment from the customer's card; False when it declines."""
    customer = world.need("customer", invoice["customer"])
    method_id = customer["invoice_settings"]["default_payment_method"]
    method = world.store.get("payment_method", method_id) if method_id else None
    if invoice["amount_remaining"] and (method is None or method["card"]["last4"] == DECLINING):
        _decline(world, invoice)
        return False
    if invoice["amount_remaining"]:
        _charge(world, invoice, method or {})
    now = world.clock.seconds()
    world.change(
        invoice,
        "invoice.updated",
        amount_paid=invoice["total"],
        amount_remaining=0,
        attempt_count=invoice["attempt_count"] + 1,
        attempted=True,
        next_payment_attempt=None,
        status="paid",
        status_transitions={**invoice["status_transitions"], "paid_at": now},
    )
    world.emit("invoice.paid", invoice)
    world.emit("invoice.payment_succeeded", invoice)
    return True


def _decline(world: World, invoice: Thing) -> None:
    retry = world.clock.seconds() + 3 * 86_400
    attempts = invoice["attempt_count"] + 1
    world.change(invoice, "invoice.updated", attempt_count=attempts, attempted=True, next_payment_attempt=retry)
    world.emit("invoice.payment_failed", invoice)


def _charge(world: World, invoice: Thing, method: Thing) -> None:
    """The payment intent and its place among the invoice's payments."""
    amount, now = invoice["amount_remaining"], world.clock.seconds()
    intent = world.create(
        {
            "id": new_id("pi"),
            "object": "payment_intent",
            "amount": amount,
            "amount_capturable": 0,
            "amount_received": amount,
            "capture_method": "automatic",
            "confirmation_method": "automatic",
            "created": now,
            "currency": invoice["currency"],
            "customer": invoice["customer"],
            "livemode": False,
            "metadata": {},
            "payment_method": method.get("id"),
            "payment_method_types": ["card"],
            "status": "succeeded",
        },
        "payment_intent.succeeded",
    )
    world.create(
        {
            "id": new_id("inpay"),
            "object": "invoice_payment",
            "amount_paid": amount,
            "amount_requested": amount,
            "created": now,
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": True,
            "livemode": False,
            "payment": {"type": "payment_intent", "payment_intent": intent["id"]},
            "status": "paid",
            "status_transitions": {"canceled_at": None, "paid_at": now},
        },
        "invoice_payment.paid",
    )


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


@route("POST", "/v1/invoices/{invoice}/pay")
def pay_now(world: World, params: Params, invoice: str) -> Thing:
    """Try the payment again."""
    thing = world.need("invoice", invoice)
    if thing["status"] != "open":
        raise StripeFault(f"This invoice is {thing['status']}, not open.", code="invoice_not_open")
    if not pay(world, thing):
        raise StripeFault(
            "Your card was declined.",
            status=402,
            kind="card_error",
            code="card_declined",
            decline_code="generic_decline",
        )
    return thing


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


@route("GET", "/v1/invoice_payments")
def index_payments(world: World, params: Params) -> Thing:
    """Payments of invoices."""
    return list_things(world, params, "invoice_payment", "/v1/invoice_payments", filters=("invoice", "status"))


@route("GET", "/v1/payment_intents/{intent}")
def retrieve_intent(world: World, params: Params, intent: str) -> Thing:
    """A payment intent."""
    return world.need("payment_intent", intent)


def expand_payments(world: World, invoice: Thing) -> Thing:
    """The payments of an invoice as a list object."""
    rows = [each for each in world.store.all("invoice_payment") if each["invoice"] == invoice["id"]]
    return {"object": "list", "data": rows, "has_more": False, "url": "/v1/invoice_payments"}
