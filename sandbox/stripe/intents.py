"""Payment intents and charges: an invoice's one intent from finalization to its end."""

from __future__ import annotations

from typing import Any

from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.cards import Decline
from sandbox.stripe.routes import list_things, route
from sandbox.world import World


def open_for(world: World, invoice: Thing) -> Thing:
    """The intent of a finalized invoice, and its place among the invoice's payments."""
    now, intent_id = world.clock.seconds(), new_id("pi")
    intent = world.create(
        {
            "id": intent_id,
            "object": "payment_intent",
            "amount": invoice["amount_remaining"],
            "amount_capturable": 0,
            "amount_received": 0,
            "capture_method": "automatic",
            "client_secret": f"{intent_id}_secret_{new_id('x', 20)[2:]}",
            "confirmation_method": "automatic",
            "created": now,
            "currency": invoice["currency"],
            "customer": invoice["customer"],
            "description": "Subscription" if invoice["parent"] else "Invoice",
            "livemode": False,
            "metadata": {},
            "payment_method_types": ["card"],
            "status": "requires_payment_method",
        },
        "payment_intent.created",
    )
    world.create(
        {
            "id": new_id("inpay"),
            "object": "invoice_payment",
            "amount_paid": None,
            "amount_requested": invoice["amount_remaining"],
            "created": now,
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": True,
            "livemode": False,
            "payment": {"type": "payment_intent", "payment_intent": intent_id},
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        }
    )
    return intent


def payment_of(world: World, invoice: Thing) -> tuple[Thing, Thing] | None:
    """The default payment of an invoice: its intent and the invoice payment."""
    for row in world.store.by("invoice_payment", "invoice", invoice["id"]):
        if row["is_default"]:
            return world.need("payment_intent", row["payment"]["payment_intent"]), row
    return None


def invoice_of(world: World, intent: Thing) -> Thing | None:
    """The invoice that an intent pays; the intent itself does not say."""
    for row in world.store.all("invoice_payment"):
        if row["payment"].get("payment_intent") == intent["id"]:
            return world.need("invoice", row["invoice"])
    return None


def succeed(world: World, intent: Thing, method: Thing) -> Thing:
    """The card was charged."""
    charge = _charge(world, intent, method, None)
    world.change(
        intent,
        None,
        amount_received=intent["amount"],
        last_payment_error=None,
        latest_charge=charge["id"],
        next_action=None,
        payment_method=method["id"],
        status="succeeded",
    )
    world.emit("payment_intent.succeeded", intent)
    world.emit("charge.succeeded", charge)
    return charge


def fail(world: World, intent: Thing, method: Thing | None, decline: Decline) -> None:
    """The card was declined, or there is none."""
    if method is not None:
        charge = _charge(world, intent, method, decline)
        world.change(intent, None, latest_charge=charge["id"])
        world.emit("charge.failed", charge)
    error = {
        "code": decline.code,
        "decline_code": decline.decline_code,
        "message": decline.message,
        "payment_method": method,
        "type": "card_error",
    }
    world.change(intent, None, last_payment_error=error, next_action=None, status="requires_payment_method")
    world.emit("payment_intent.payment_failed", intent)


def ask(world: World, intent: Thing, method: Thing) -> None:
    """The customer has to authenticate, on a page of the sandbox."""
    target = {"return_url": None, "url": f"{world.base}/3ds/{intent['id']}"}
    world.change(
        intent,
        None,
        next_action={"redirect_to_url": target, "type": "redirect_to_url"},
        payment_method=method["id"],
        status="requires_action",
    )
    world.emit("payment_intent.requires_action", intent)


def cancel(world: World, intent: Thing, reason: str) -> None:
    """Its invoice will not be paid."""
    now = world.clock.seconds()
    world.change(intent, None, canceled_at=now, cancellation_reason=reason, next_action=None, status="canceled")
    world.emit("payment_intent.canceled", intent)


def _charge(world: World, intent: Thing, method: Thing, decline: Decline | None) -> Thing:
    card = method["card"]
    shown = {
        name: card[name] for name in ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    }
    outcome: dict[str, Any] = {
        "network_status": "declined_by_network" if decline else "approved_by_network",
        "reason": decline.decline_code if decline else None,
        "risk_level": "normal",
        "seller_message": "The bank did not say why." if decline else "Payment complete.",
        "type": "issuer_declined" if decline else "authorized",
    }
    return world.create(
        {
            "id": new_id("ch"),
            "object": "charge",
            "amount": intent["amount"],
            "amount_captured": 0 if decline else intent["amount"],
            "amount_refunded": 0,
            "balance_transaction": None if decline else new_id("txn"),
            "billing_details": method["billing_details"],
            "captured": decline is None,
            "created": world.clock.seconds(),
            "currency": intent["currency"],
            "customer": intent["customer"],
            "disputed": False,
            "failure_code": decline.code if decline else None,
            "failure_message": decline.message if decline else None,
            "livemode": False,
            "metadata": {},
            "outcome": outcome,
            "paid": decline is None,
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": {"card": shown, "type": "card"},
            "refunded": False,
            "status": "failed" if decline else "succeeded",
        }
    )


@route("GET", "/v1/payment_intents/{intent}")
def retrieve(world: World, params: Params, intent: str) -> Thing:
    """A payment intent."""
    return world.need("payment_intent", intent)


@route("GET", "/v1/payment_intents")
def index(world: World, params: Params) -> Thing:
    """Payment intents."""
    return list_things(world, params, "payment_intent", "/v1/payment_intents", filters=("customer",))


@route("GET", "/v1/charges/{charge}")
def retrieve_charge(world: World, params: Params, charge: str) -> Thing:
    """A charge."""
    return world.need("charge", charge)


@route("GET", "/v1/charges")
def index_charges(world: World, params: Params) -> Thing:
    """Charges."""
    return list_things(world, params, "charge", "/v1/charges", filters=("customer", "payment_intent"))


@route("GET", "/v1/invoice_payments")
def index_payments(world: World, params: Params) -> Thing:
    """Payments of invoices, also by the payment intent."""
    payment = params.take("payment")
    page: Thing = list_things(world, params, "invoice_payment", "/v1/invoice_payments", filters=("invoice", "status"))
    if payment and payment.get("payment_intent"):
        wanted = payment["payment_intent"]
        page["data"] = [each for each in page["data"] if each["payment"].get("payment_intent") == wanted]
    return page


@route("GET", "/v1/invoice_payments/{payment}")
def retrieve_payment(world: World, params: Params, payment: str) -> Thing:
    """A payment of an invoice."""
    return world.need("invoice_payment", payment)
