"""Stripe's HTTP: keys, parameters, idempotency, faults on demand, rate limits, the transcript."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from flask import Flask, Response, request

from sandbox.control import Transcript
from sandbox.errors import StripeFault
from sandbox.faults import Faults
from sandbox.forms import Params, decode
from sandbox.limits import Limits, too_many
from sandbox.shapes import first_lines
from sandbox.store import Thing, new_id
from sandbox.stripe import (  # noqa: F401 (each adds its calls)
    alerts,
    authentication,
    catalog,
    checkout,
    credit_grants,
    credit_notes,
    customer_endings,
    customers,
    discounts,
    disputes,
    endpoints,
    entitlements,
    events,
    intents,
    invoice_items,
    invoices,
    meter_events,
    meters,
    pausing,
    payment_methods,
    portal,
    previews,
    prices,
    refunds,
    routes,
    schedules,
    setup_intents,
    subscription_items,
    subscriptions,
    taxes,
)
from sandbox.stripe.expansion import expanded
from sandbox.stripe.meter_streams import check_session
from sandbox.world import World

METER_EVENTS = "/v1/billing/meter_events"
STREAM = "/v2/billing/meter_event_stream"
# Version 1 remembers an idempotency key for a day.
KEY_SECONDS = 86_400
LIMITED = {"Stripe-Rate-Limited-Reason": "global-rate"}
# Stripe advises a retry where a lock was held; the SDK follows.
LOCKED = {"Stripe-Should-Retry": "true"}


def register(app: Flask, world: World, faults: Faults, transcript: Transcript) -> None:
    """Answer everything below /v1 and /v2."""
    limits = Limits()

    @app.route("/v1/<path:rest>", methods=["GET", "POST", "DELETE"])
    @app.route("/v2/<path:rest>", methods=["GET", "POST", "DELETE"])
    def call(rest: str) -> Response:
        raw = request.get_data(as_text=True)
        fault = faults.take(f"{request.method} {request.path}")
        mode = world.setting("rate_limit")
        status, answer, headers = _limited(world, limits, mode, raw, lambda: faults.before(fault))
        faults.after(fault)
        transcript.write(
            {
                "kind": "request",
                "method": request.method,
                "path": request.path,
                "query": request.query_string.decode(),
                "body": raw,
                "status": status,
                "answer": answer,
            }
        )
        return Response(json.dumps(answer), status=status, content_type="application/json", headers=headers)


def _limited(
    world: World, limits: Limits, mode: str | None, raw: str, early: Callable[[], tuple[int, Thing] | None]
) -> tuple[int, Thing, Thing]:
    """The answer, unless it is one call too many or asked to fail."""
    headers = {"Request-Id": new_id("req", 14)}
    refusal = limits.refusal(mode, request.path)
    if refusal:
        return 429, refusal, {**headers, **LIMITED}
    owner = _owner(raw) if mode and request.path == METER_EVENTS else None
    if owner and not limits.enter(owner):
        message = "This object cannot be accessed right now because another API request is currently accessing it."
        return 429, too_many("lock_timeout", message), {**headers, **LOCKED}
    try:
        instead = early()
        if instead is not None:
            return *instead, {**headers, **(LIMITED if instead[0] == 429 else {})}
        status, answer, replayed = _perform(world, raw, headers["Request-Id"])
    finally:
        if owner:
            limits.leave(owner)
    return status, answer, {**headers, **({"Idempotent-Replayed": "true"} if replayed else {})}


def _owner(raw: str) -> str:
    """Whose meter a meter event writes."""
    try:
        values = decode(raw)
    except StripeFault:
        return ""
    payload = values.get("payload")
    return f"{values.get('event_name')} {payload.get('stripe_customer_id') if isinstance(payload, dict) else payload}"


def _perform(world: World, raw: str, request_id: str) -> tuple[int, Thing, bool]:
    try:
        _check_key(world)
        values = _values(raw)
        found = _find_call()
        with world.store.writing():
            key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
            world.request = {"id": request_id, "idempotency_key": key}
            try:
                return _once(world, raw, key, lambda: _answer(world, found, Params(values)))
            finally:
                world.request = {"id": None, "idempotency_key": None}
    except StripeFault as fault:
        return fault.status, fault.body, False


def _values(raw: str) -> Thing:
    """Version 1 speaks forms, version 2 JSON."""
    if request.method == "GET" or not raw:
        return decode(request.query_string.decode())
    if not request.path.startswith("/v2/"):
        return decode(raw)
    try:
        values = json.loads(raw)
    except ValueError:
        raise StripeFault("The body is no JSON.") from None
    if not isinstance(values, dict):
        raise StripeFault("The body must be a JSON object.")
    return values


def _find_call() -> tuple[routes.Call, dict[str, str]]:
    found = routes.find(request.method, request.path)
    if found is None:
        raise StripeFault(f"Unrecognized request URL ({request.method}: {request.path}).", status=404)
    return found


def _answer(world: World, found: tuple[routes.Call, dict[str, str]], params: Params) -> Thing:
    call, ids = found
    answer = call(world, params, **ids)
    params.finish()
    return expanded(world, first_lines(answer), params.values.get("expand") or [])


def _once(world: World, raw: str, key: str | None, perform: Callable[[], Thing]) -> tuple[int, Thing, bool]:
    """A POST with a known idempotency key gives the first answer again; with another body it is refused."""
    if not key:
        return *_settled(world, perform), False
    digest = hashlib.sha256(f"{request.path}\n{raw}".encode()).hexdigest()
    known = world.store.get("idempotency_key", key)
    if known and world.clock.now() - known["at"] < KEY_SECONDS:
        if known["digest"] != digest:
            raise StripeFault(
                "Keys for idempotent requests can only be used with the same parameters they were first used with.",
                kind="idempotency_error",
            )
        return known["status"], known["answer"], True
    status, answer = _settled(world, perform)
    world.store.put(
        "idempotency_key", {"digest": digest, "status": status, "answer": answer, "at": world.clock.now()}, key
    )
    return status, answer, False


def _settled(world: World, perform: Callable[[], Thing]) -> tuple[int, Thing]:
    """The outcome of a call. A fault takes back what the call changed, unless it says otherwise."""
    try:
        return 200, perform()
    except StripeFault as fault:
        if not fault.leaves_traces:
            world.store.take_back()
        return fault.status, fault.body


def _check_key(world: World) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if request.path == STREAM:
        with world.store.lock:
            check_session(world, key)
    elif scheme != "Bearer" or not key.startswith(("sk_test_", "rk_test_")):
        message = "Invalid API Key provided. The sandbox takes any key that begins with sk_test_."
        raise StripeFault(message, status=401)
