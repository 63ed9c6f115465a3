"""The platform over HTTP: actions of a tenant's people, and Countinghouse's webhooks.

People are named by the header `Platform-User`: a stand-in for the login that a platform has.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from countinghouse_client import SpoolFull
from flask import Flask, abort, jsonify, request
from flask.typing import ResponseReturnValue

from examples.platform import contacts, content, conversations, marketing, webhooks
from examples.platform.config import Config, load_config
from examples.platform.phones import LimitReached, PhoneError
from examples.platform.tenants import Actor, BadField, Fields, Tenant, open_tenants

Action = Callable[[Actor, Fields], dict[str, Any]]
ACTIONS: dict[str, Action] = {
    "reply": conversations.reply,
    "speak": conversations.speak,
    "send-text": conversations.send_text,
    "place-call": conversations.place_call,
    "create-contact": contacts.create_contact,
    "import-contacts": contacts.import_contacts,
    "launch-campaign": marketing.launch_campaign,
    "launch-journey": marketing.launch_journey,
    "create-template": content.create_template,
    "generate-template": content.generate_template,
    "generate-articles": content.generate_articles,
}
PATIENCE = 30.0  # seconds that `?wait` waits until Countinghouse has everything


def create_app(config: Config | None = None) -> Flask:
    """The platform; its settings come from PLATFORM_CONFIG if none are given."""
    config = config or load_config()
    app = Flask(__name__)
    tenants = open_tenants(config)
    app.extensions["tenants"] = tenants
    app.register_blueprint(webhooks.blueprint)

    def _known(name: str) -> Tenant:
        return tenants.get(name) or abort(404)

    @app.get("/health")
    def health() -> ResponseReturnValue:
        """What still waits to be reported, and what Countinghouse refused for good."""
        return {
            name: {"waiting": tenant.usage.stats().waiting, "refused": len(tenant.usage.refused())}
            for name, tenant in tenants.items()
        }

    @app.post("/<tenant>/actions/<name>")
    def act(tenant: str, name: str) -> ResponseReturnValue:
        """One action, its fields as a JSON object."""
        return jsonify(_act(_known(tenant), {**_body(dict), "action": name}, config)), 201

    @app.post("/<tenant>/actions")
    def act_often(tenant: str) -> ResponseReturnValue:
        """A list of actions, in order; with `?wait`, answered once Countinghouse has everything that was reported.

        A limit stops its own text or call, none of the actions after it: its result says so in `stopped`.
        """
        known = _known(tenant)
        results = [_act_within_limits(known, action, config) for action in _body(list)]
        if "wait" in request.args and not known.usage.flush(PATIENCE):
            abort(504, "Countinghouse has not taken everything yet; it waits in the spool.")
        return jsonify(results), 201

    @app.errorhandler(BadField)
    def bad_field(error: BadField) -> ResponseReturnValue:
        return {"error": str(error)}, 422

    @app.errorhandler(PhoneError)
    def phone_error(error: PhoneError) -> ResponseReturnValue:
        return {"error": str(error)}, error.status if error.status in {402, 422} else 502

    @app.errorhandler(SpoolFull)
    def spool_full(error: SpoolFull) -> ResponseReturnValue:
        # Our choice: an outage so long that the spool is full is told to people. Another platform may go on unbilled.
        return {"error": str(error)}, 503

    return app


def _act_within_limits(tenant: Tenant, given: Any, config: Config) -> dict[str, Any]:
    try:
        return _act(tenant, given, config)
    except LimitReached as limit:
        return {"stopped": str(limit)}


def _act(tenant: Tenant, given: Any, config: Config) -> dict[str, Any]:
    fields = Fields(given if isinstance(given, dict) else {})
    action = ACTIONS.get(fields.text("action"))
    if action is None:
        raise BadField(f"action must be one of {', '.join(ACTIONS)}")
    user = fields.text("user", request.headers.get("Platform-User"))
    at = given.get("at", request.headers.get("Action-Time"))
    return action(Actor(tenant, user, _moment(at, config)), fields)


def _moment(at: object, config: Config) -> datetime | None:
    if at is None:
        return None
    if not config.accepts_action_time:
        raise BadField("at is only taken where accepts_action_time is set")
    try:
        moment = datetime.fromisoformat(str(at))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadField("at must be an ISO 8601 time with an offset")
    return moment


def _body(kind: type[Any]) -> Any:
    body = request.get_json()
    if not isinstance(body, kind):
        raise BadField("the body must be a JSON object for one action, a JSON list for many")
    return body
