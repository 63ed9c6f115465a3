"""Payments of invoices: taken from the customer's card, declined, tried again."""

from __future__ import annotations

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.routes import list_things, route
from sandbox.world import World

DECLINING = "0002"


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
