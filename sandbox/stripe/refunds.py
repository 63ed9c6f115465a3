"""Refunds of charges."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.routes import list_things, route
from sandbox.world import World

REASONS = ("duplicate", "fraudulent", "requested_by_customer")


@route("POST", "/v1/refunds")
def create(world: World, params: Params) -> Thing:
    """Give back a charge, whole or in part."""
    intent_id, charge_id = params.take("payment_intent"), params.take("charge")
    if intent_id:
        charge_id = world.need("payment_intent", intent_id)["latest_charge"]
    if not charge_id:
        raise StripeFault("Give charge or payment_intent.", param="charge", code="parameter_missing")
    charge = world.need("charge", charge_id)
    reason = params.choice("reason", REASONS)
    return refund(world, charge, params.integer("amount"), reason, params.metadata())


def refund(world: World, charge: Thing, amount: int | None, reason: str | None, metadata: dict[str, str]) -> Thing:
    """A refund that succeeds at once, and what it leaves on the charge. None gives back all that is left."""
    left = charge["amount"] - charge["amount_refunded"]
    amount = left if amount is None else amount
    if charge["status"] != "succeeded":
        raise StripeFault(f"Charge {charge['id']} did not succeed.", param="charge")
    if left == 0:
        raise StripeFault(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if not 0 < amount <= left:
        raise StripeFault(f"Refund amount ({amount}) is greater than unrefunded amount ({left}).", param="amount")
    thing = world.create(
        {
            "id": new_id("re"),
            "object": "refund",
            "amount": amount,
            "balance_transaction": new_id("txn"),
            "charge": charge["id"],
            "created": world.clock.seconds(),
            "currency": charge["currency"],
            "destination_details": {"type": "card"},
            "metadata": metadata,
            "payment_intent": charge["payment_intent"],
            "payment_method": charge["payment_method"],
            "reason": reason,
            "status": "succeeded",
        },
        "refund.created",
    )
    total = charge["amount_refunded"] + amount
    before: dict[str, Any] = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
    world.change(charge, None, amount_refunded=total, refunded=total == charge["amount"])
    world.emit("charge.refunded", charge, before)
    world.emit("refund.updated", thing)
    return thing


@route("GET", "/v1/refunds/{refund_id}")
def retrieve(world: World, params: Params, refund_id: str) -> Thing:
    """A refund."""
    return world.need("refund", refund_id)


@route("GET", "/v1/refunds")
def index(world: World, params: Params) -> Thing:
    """Refunds."""
    return list_things(world, params, "refund", "/v1/refunds", filters=("charge", "payment_intent"))
