"""Disputes: by a card that always has one, or on demand."""

from __future__ import annotations

from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.routes import list_things, route
from sandbox.world import World

EVIDENCE_DAYS = 7


def open_dispute(world: World, charge: Thing) -> Thing:
    """The customer's bank takes the payment back until the dispute is decided."""
    now = world.clock.seconds()
    world.change(charge, "charge.updated", disputed=True)
    dispute = world.create(
        {
            "id": new_id("du"),
            "object": "dispute",
            "amount": charge["amount"],
            "balance_transactions": [],
            "charge": charge["id"],
            "created": now,
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": _no_evidence(),
            "evidence_details": {
                "due_by": now + EVIDENCE_DAYS * 86_400,
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
                "submission_method": "not_submitted",
            },
            "is_charge_refundable": False,
            "livemode": False,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "reason": "fraudulent",
            "status": "needs_response",
        },
        "charge.dispute.created",
    )
    world.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _no_evidence() -> Thing:
    return {"enhanced_evidence": {}}


@route("GET", "/v1/disputes/{dispute}")
def retrieve(world: World, params: Params, dispute: str) -> Thing:
    """A dispute."""
    return world.need("dispute", dispute)


@route("GET", "/v1/disputes")
def index(world: World, params: Params) -> Thing:
    """Disputes."""
    return list_things(world, params, "dispute", "/v1/disputes", filters=("charge", "payment_intent"))


@route("POST", "/v1/disputes/{dispute}/close")
def close(world: World, params: Params, dispute: str) -> Thing:
    """Give in: it is lost."""
    thing = world.need("dispute", dispute)
    world.change(thing, None, status="lost")
    world.emit("charge.dispute.closed", thing)
    return thing
