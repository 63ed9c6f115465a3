"""Stripe's HTTP: keys, parameters, idempotency, faults on demand, the transcript."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request

from sandbox.control import Transcript
from sandbox.errors import StripeFault
from sandbox.faults import Faults
from sandbox.forms import Params, decode
from sandbox.store import Thing, new_id
from sandbox.stripe import (  # noqa: F401 (each adds its routes)
    catalog,
    checkout,
    customers,
    endpoints,
    invoices,
    meters,
    payments,
    portal,
    routes,
    subscriptions,
)
from sandbox.world import World


def register(app: Flask, world: World, faults: Faults, transcript: Transcript) -> None:
    """Answer everything below /v1."""

    @app.route("/v1/<path:rest>", methods=["GET", "POST", "DELETE"])
    def call(rest: str) -> Response:
        raw = request.get_data(as_text=True)
        fault = faults.take(f"{request.method} {request.path}")
        early = faults.before(fault)
        if early is not None:
            status, answer, replayed = early[0], early[1], False
        else:
            status, answer, replayed = _perform(world, raw)
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
        response = Response(json.dumps(answer), status=status, content_type="application/json")
        response.headers["Request-Id"] = new_id("req", 14)
        if replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return response


def _perform(world: World, raw: str) -> tuple[int, Thing, bool]:
    try:
        _check_key()
        values = decode(raw if request.method == "POST" else request.query_string.decode())
        found = _find_call()
        with world.store.writing():
            return _once(world, raw, lambda: _answer(world, found, Params(values)))
    except StripeFault as fault:
        return fault.status, fault.body, False


def _find_call() -> tuple[routes.Call, dict[str, str]]:
    found = routes.find(request.method, request.path)
    if found is None:
        raise StripeFault(f"Unrecognized request URL ({request.method}: {request.path}).", status=404)
    return found


def _answer(world: World, found: tuple[routes.Call, dict[str, str]], params: Params) -> Thing:
    call, ids = found
    answer = call(world, params, **ids)
    params.finish()
    return _expanded(world, answer, params.values.get("expand") or [])


def _once(world: World, raw: str, perform: Callable[[], Thing]) -> tuple[int, Thing, bool]:
    """A POST with a known idempotency key gives the first answer again; with another body it is refused."""
    key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
    if not key:
        return *_settled(world, perform), False
    digest = hashlib.sha256(f"{request.path}\n{raw}".encode()).hexdigest()
    known = world.store.get("idempotency_key", key)
    if known:
        if known["digest"] != digest:
            raise StripeFault(
                "Keys for idempotent requests can only be used with the same parameters they were first used with.",
                kind="idempotency_error",
            )
        return known["status"], known["answer"], True
    status, answer = _settled(world, perform)
    world.store.put("idempotency_key", {"digest": digest, "status": status, "answer": answer}, key)
    return status, answer, False


def _settled(world: World, perform: Callable[[], Thing]) -> tuple[int, Thing]:
    """The outcome of a call. A fault takes back what the call changed, unless it says otherwise."""
    try:
        return 200, perform()
    except StripeFault as fault:
        if not fault.leaves_traces:
            world.store.take_back()
        return fault.status, fault.body


def _check_key() -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not key.startswith(("sk_test_", "rk_test_")):
        message = "Invalid API Key provided. The sandbox takes any key that begins with sk_test_."
        raise StripeFault(message, status=401)


def _expanded(world: World, answer: Thing, wanted: list[str]) -> Thing:
    for path in wanted:
        answer = _expand(world, answer, path.split("."))
    return answer


def _expand(world: World, thing: Any, path: list[str]) -> Any:
    """Put objects where their ids stand; a copy, the stored thing stays as it is."""
    if not path or thing is None:
        return thing
    if isinstance(thing, list):
        return [_expand(world, each, path) for each in thing]
    head, rest = path[0], path[1:]
    value: Any = thing.get(head)
    if head == "payments" and thing.get("object") == "invoice":
        value = payments.expand_payments(world, thing)
    elif isinstance(value, str):
        kind = {"latest_invoice": "invoice", "default_payment_method": "payment_method"}.get(head, head)
        value = world.store.get(kind, value) or value
    return {**thing, head: _expand(world, value, rest)}
