"""Twilio's HTTP: who asks, faults on demand, errors in Twilio's form, and the controls of this side."""

from __future__ import annotations

from flask import Flask, Response, g, jsonify, request
from flask.typing import ResponseReturnValue

from sandbox.clock import Clock
from sandbox.control import plan_faults
from sandbox.faults import Faults
from sandbox.store import Store
from sandbox.twilio import calls, inbound, messages
from sandbox.twilio.answers import API, TwilioFault
from sandbox.twilio.callbacks import KINDS, Callbacks


def create_app(store: Store, clock: Clock, callbacks: Callbacks, faults: Faults) -> Flask:
    """The Twilio side of the sandbox."""
    app = Flask("sandbox.twilio", static_folder=None)
    app.register_error_handler(TwilioFault, TwilioFault.answer)
    _fail_on_demand(app, faults)
    messages.register(app, store, clock, callbacks)
    calls.register(app, store, clock, callbacks)
    inbound.register(app, store, clock)

    @app.get("/_sandbox/deliveries")
    def show_deliveries() -> ResponseReturnValue:
        return jsonify(callbacks.count())

    @app.post("/_sandbox/callback_faults")
    def plan_callback_fault() -> ResponseReturnValue:
        """`match` is the beginning of "text delivered", "call completed" and so on."""
        return plan_faults(callbacks.faults, KINDS)

    @app.delete("/_sandbox/callback_faults")
    def clear_callback_faults() -> ResponseReturnValue:
        callbacks.faults.clear()
        return jsonify({"ok": True})

    return app


def _fail_on_demand(app: Flask, faults: Faults) -> None:
    """Calls of the API fail in the way asked for, before or after they were performed."""

    @app.before_request
    def before() -> Response | None:
        if not request.path.startswith(API):
            return None
        g.fault = faults.take(f"{request.method} {request.path}")
        early = faults.before(g.fault)
        if early is None:
            return None
        return TwilioFault(early[0], 20429 if early[0] == 429 else 20500, "As asked for.").answer()

    @app.after_request
    def after(response: Response) -> Response:
        faults.after(g.pop("fault", None))
        return response
