"""Caps, the budget, and the reservations that respect them."""

from __future__ import annotations

from flask import Blueprint, g, jsonify
from flask.typing import ResponseReturnValue

from dashboard.billing.errors import IdempotencyConflict, InvalidInput, NotFound
from dashboard.billing.fields import need_count, need_object, need_text
from dashboard.billing.ledger.usage_input import MAX_QUANTITY, refuse_our_key
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.limits.limits import find_budget, list_caps, set_budget, set_cap
from dashboard.billing.limits.quotas import find_reservation, release, reserve
from dashboard.billing.plans.plans import catalog
from dashboard.web.api.bodies import json_body
from dashboard.web.api.keys import require_key
from dashboard.web.api.limit_shapes import BudgetIn, CapIn, LimitsOut, ReservationIn, ReservationOut
from dashboard.web.api.openapi import Answer, Body, describe
from dashboard.web.audit import audit
from dashboard.web.errors import answer
from dashboard.wiring import now, session

TAG = "Caps and reservations"
blueprint = Blueprint("limits_api", __name__, url_prefix="/api/billing/usage")
blueprint.before_request(require_key)


_LIMITS = {200: Answer("All of the tenant's limits.", LimitsOut, example={"caps": {"SMS_SENT": 500}, "budget": None})}


@blueprint.get("/limits")
@describe(tag=TAG, scope="usage:read", answers=_LIMITS)
def show() -> ResponseReturnValue:
    """The caps and the budget that are set"""
    return _limits()


@blueprint.put("/caps/<usage_type>")
@describe(
    tag=TAG,
    scope="limits:manage",
    body=(Body(CapIn, {"cap": {"quantity": 500}}),),
    answers=_LIMITS,
    errors=(400, 413, 415),
)
def update_cap(usage_type: str) -> ResponseReturnValue:
    """Cap a usage type

    An action that is reserved first, as every text and call of ours is, is stopped before it would pass the cap. What
    has happened is recorded whatever the cap.
    """
    fields = need_object(json_body(), frozenset({"quantity"}))
    quantity = need_count(fields.get("quantity"), "quantity")
    before = list_caps(session(), g.tenant_id).get(usage_type)
    set_cap(session(), g.tenant_id, usage_type, quantity, set_by=g.api_key_name, now=now())
    audit("cap.set", USAGE_TYPES[usage_type].label, {"quantity": [before, quantity]})
    session().commit()
    return _limits()


@blueprint.delete("/caps/<usage_type>")
@describe(tag=TAG, scope="limits:manage", answers=_LIMITS)
def destroy_cap(usage_type: str) -> ResponseReturnValue:
    """Lift a cap"""
    before = list_caps(session(), g.tenant_id).get(usage_type)
    set_cap(session(), g.tenant_id, usage_type, None, set_by=g.api_key_name, now=now())
    if before is not None:
        audit("cap.lifted", USAGE_TYPES[usage_type].label, {"quantity": [before, None]})
    session().commit()
    return _limits()


@blueprint.put("/budget")
@describe(
    tag=TAG,
    scope="limits:manage",
    body=(Body(BudgetIn, {"budget": {"amount": 5_000, "currency": "usd"}}),),
    answers=_LIMITS,
    errors=(400, 413, 415),
)
def update_budget() -> ResponseReturnValue:
    """Limit what usage beyond the plan may cost

    An action that would cost more is stopped as by a cap; one that the plan still includes is not. With `stops` false
    nothing is stopped: people are told how much of the budget is spent.
    """
    fields = need_object(json_body(), frozenset({"amount", "currency", "stops"}))
    amount, currency = need_count(fields.get("amount"), "amount"), fields.get("currency")
    if currency is None:
        currency = catalog().currency
    if not isinstance(currency, str):
        raise InvalidInput("currency", f"must be {catalog().currency}, the currency of the plans")
    stops = fields.get("stops", True)
    if not isinstance(stops, bool):
        raise InvalidInput("stops", "must be true or false")
    _change_budget(amount, currency, stops=stops)
    return _limits()


@blueprint.delete("/budget")
@describe(tag=TAG, scope="limits:manage", answers=_LIMITS)
def destroy_budget() -> ResponseReturnValue:
    """Lift the budget"""
    _change_budget(None, catalog().currency, stops=True)
    return _limits()


@blueprint.post("/reservations")
@describe(
    tag=TAG,
    scope="usage:write",
    body=(Body(ReservationIn, {"one": {"usage_type": "AI_MESSAGE_GENERATED", "quantity": 1, "key": "msg-8842"}}),),
    answers={201: Answer("The action may happen.", ReservationOut)},
    errors=(400, 402, 409, 413, 415),
)
def create() -> ResponseReturnValue:
    """Hold a place before an action

    402 where a cap or budget would be passed, or the tenant has to pay first: do not act. Otherwise act, then report
    the usage event with `key` as its `idempotency_key`, which ends the reservation; or give the place back if the
    action failed. A forgotten reservation ends after an hour. The same key again holds one place; for another type or
    quantity it is refused with 409.
    """
    fields = need_object(json_body(), frozenset({"usage_type", "quantity", "key"}))
    usage_type = need_text(fields.get("usage_type"), "usage_type")
    quantity = need_count(fields.get("quantity"), "quantity")
    if quantity > MAX_QUANTITY:
        raise InvalidInput("quantity", f"must be at most {MAX_QUANTITY}")
    key = need_text(fields.get("key"), "key")
    refuse_our_key(key, "key")
    try:
        reserve(session(), g.tenant_id, usage_type, quantity, key=key, now=now())
    except IdempotencyConflict:
        return answer(409, f"key {key!r} holds a place for another type or quantity; use a new key", field="key")
    held = find_reservation(session(), g.tenant_id, key)
    body = {
        "key": key,
        "usage_type": usage_type,
        "quantity": quantity,
        "held": held is not None,
        "expires_at": held.expires_at if held else None,
    }
    session().commit()
    return jsonify(body), 201


@blueprint.delete("/reservations/<reservation_key:key>")
@describe(tag=TAG, scope="usage:write", answers={204: Answer("The place is free again.")}, errors=(404,))
def destroy(key: str) -> ResponseReturnValue:
    """Give a place back"""
    refuse_our_key(key, "key")
    if not release(session(), g.tenant_id, key):
        raise NotFound(f"no reservation {key}")
    session().commit()
    return "", 204


def _change_budget(amount: int | None, currency: str, *, stops: bool) -> None:
    found = find_budget(session(), g.tenant_id)
    before = (found.amount, found.stops) if found else (None, None)
    set_budget(session(), g.tenant_id, amount, currency, stops=stops, set_by=g.api_key_name, now=now())
    if amount is not None:
        details = {"amount": [before[0], amount], "stops": [before[1], stops], "currency": currency}
        audit("budget.set", "Usage budget", details)
    elif found is not None:
        audit("budget.lifted", "Usage budget", {"amount": [before[0], None]})
    session().commit()


def _limits() -> ResponseReturnValue:
    budget = find_budget(session(), g.tenant_id)
    shown = {"amount": budget.amount, "currency": budget.currency, "stops": budget.stops} if budget else None
    return jsonify({"caps": list_caps(session(), g.tenant_id), "budget": shown})
