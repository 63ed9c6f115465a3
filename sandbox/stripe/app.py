"""Stripe's HTTP: keys, parameters, idempotency, faults on demand, rate limits, the transcript."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Flask

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
    customer_making,
    customers,
    destinations,
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


Environ = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: str
    raw: str
    environ: Environ

    def header(self, name: str) -> str:
        """A header's value, empty where it was not sent."""
        return str(self.environ.get(f"HTTP_{name.upper().replace('-', '_')}", ""))


def register(app: Flask, world: World, faults: Faults, transcript: Transcript) -> None:
    """Answer everything below /v1 and /v2, before Flask does its own work: that costs more than most answers."""
    app.wsgi_app = Api(app.wsgi_app, world, faults, transcript)  # type: ignore[method-assign, assignment]


class Api:
    """Stripe's API in front of the pages of an application."""

    def __init__(self, pages: Callable[..., Iterable[bytes]], world: World, faults: Faults, transcript: Transcript):
        self._pages, self._world, self._faults, self._transcript = pages, world, faults, transcript
        self._limits = Limits()

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer, or leave it to the pages."""
        path: str = environ["PATH_INFO"]
        if not path.startswith(("/v1/", "/v2/")):
            return self._pages(environ, start)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        raw = body.decode(errors="replace")
        status, answer, headers = self._answer(
            Asked(environ["REQUEST_METHOD"], path, environ["QUERY_STRING"], raw, environ)
        )
        written = json.dumps(answer).encode()
        own = {"Content-Type": "application/json", "Content-Length": str(len(written))}
        start(f"{status} {HTTPStatus(status).phrase}", list({**own, **headers}.items()))
        return [written]

    def _answer(self, asked: Asked) -> tuple[int, Thing, Thing]:
        fault = self._faults.take(f"{asked.method} {asked.path}")
        mode = self._world.setting("rate_limit")
        early = lambda: self._faults.before(fault)  # noqa: E731 (called once the limits have let it through)
        status, answer, headers = _limited(self._world, self._limits, mode, asked, early)
        self._faults.after(fault)
        self._transcript.write(
            {
                "kind": "request",
                "method": asked.method,
                "path": asked.path,
                "query": asked.query,
                "body": asked.raw,
                "status": status,
                "answer": answer,
            }
        )
        return status, answer, headers


def _limited(
    world: World, limits: Limits, mode: str | None, asked: Asked, early: Callable[[], tuple[int, Thing] | None]
) -> tuple[int, Thing, Thing]:
    """The answer, unless it is one call too many or asked to fail."""
    headers = {"Request-Id": new_id("req", 14)}
    refusal = limits.refusal(mode, asked.path)
    if refusal:
        return 429, refusal, {**headers, **LIMITED}
    owner = _owner(asked.raw) if mode and asked.path == METER_EVENTS else None
    if owner and not limits.enter(owner):
        message = "This object cannot be accessed right now because another API request is currently accessing it."
        return 429, too_many("lock_timeout", message), {**headers, **LOCKED}
    try:
        instead = early()
        if instead is not None:
            return *instead, {**headers, **(LIMITED if instead[0] == 429 else {})}
        status, answer, replayed = _perform(world, asked, headers["Request-Id"])
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


def _perform(world: World, asked: Asked, request_id: str) -> tuple[int, Thing, bool]:
    try:
        _check_key(world, asked)
        values = _values(asked)
        found = _find_call(asked)
        with world.store.writing():
            key = asked.header("Idempotency-Key") or None if asked.method == "POST" else None
            world.request = {"id": request_id, "idempotency_key": key}
            try:
                return _once(world, asked, key, lambda: _answer(world, found, Params(values)))
            finally:
                world.request = {"id": None, "idempotency_key": None}
    except StripeFault as fault:
        return fault.status, fault.body, False


def _values(asked: Asked) -> Thing:
    """Version 1 speaks forms, version 2 JSON."""
    if asked.method == "GET" or not asked.raw:
        return decode(asked.query)
    if not asked.path.startswith("/v2/"):
        return decode(asked.raw)
    try:
        values = json.loads(asked.raw)
    except ValueError:
        raise StripeFault("The body is no JSON.") from None
    if not isinstance(values, dict):
        raise StripeFault("The body must be a JSON object.")
    return values


def _find_call(asked: Asked) -> tuple[routes.Call, dict[str, str]]:
    found = routes.find(asked.method, asked.path)
    if found is None:
        raise StripeFault(f"Unrecognized request URL ({asked.method}: {asked.path}).", status=404)
    return found


def _answer(world: World, found: tuple[routes.Call, dict[str, str]], params: Params) -> Thing:
    call, ids = found
    answer = call(world, params, **ids)
    params.finish()
    return expanded(world, first_lines(answer), params.values.get("expand") or [])


def _once(world: World, asked: Asked, key: str | None, perform: Callable[[], Thing]) -> tuple[int, Thing, bool]:
    """A POST with a known idempotency key gives the first answer again; with another body it is refused."""
    if not key:
        return *_settled(world, perform), False
    digest = hashlib.sha256(f"{asked.path}\n{asked.raw}".encode()).hexdigest()
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


def _check_key(world: World, asked: Asked) -> None:
    scheme, _, key = asked.header("Authorization").partition(" ")
    if asked.path == STREAM:
        with world.store.lock:
            check_session(world, key)
    elif scheme != "Bearer" or not key.startswith(("sk_test_", "rk_test_")):
        message = "Invalid API Key provided. The sandbox takes any key that begins with sk_test_."
        raise StripeFault(message, status=401)
