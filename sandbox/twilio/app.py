"""Twilio's HTTP: send a text, look one up."""

from __future__ import annotations

import json
import re
import secrets
from datetime import UTC, datetime
from email.utils import format_datetime

from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.store import Store, Thing
from sandbox.twilio.callbacks import Callbacks
from sandbox.twilio.segments import count_segments

NUMBER = re.compile(r"^\+[1-9]\d{6,14}$")
LONGEST = 1_600
ACCOUNT = "/2010-04-01/Accounts/<account>"


def create_app(store: Store, clock: Clock, callbacks: Callbacks, faults: Faults) -> Flask:
    """The Twilio side of the sandbox."""
    app = Flask("sandbox.twilio", static_folder=None)

    @app.get("/_sandbox/deliveries")
    def show_deliveries() -> ResponseReturnValue:
        return jsonify(callbacks.count())

    @app.post(f"{ACCOUNT}/Messages.json")
    def create(account: str) -> ResponseReturnValue:
        token = _token(account)
        if token is None:
            return _problem(401, 20003, "Authentication Error - invalid username")
        fault = faults.take(f"{request.method} {request.path}")
        early = faults.before(fault)
        if early is not None:
            return _problem(early[0], 20500, "An error on the sandbox's side, as asked for.")
        refusal = _refusal(request.form)
        if refusal:
            return _problem(400, *refusal)
        message = _message(account, clock)
        with store.writing():
            store.put("twilio_message", message, message["sid"])
        if url := request.form.get("StatusCallback"):
            callbacks.plan(url, _status_forms(message), token)
        faults.after(fault)
        return Response(json.dumps(message), status=201, content_type="application/json")

    @app.get(f"{ACCOUNT}/Messages.json")
    def index(account: str) -> ResponseReturnValue:
        if _token(account) is None:
            return _problem(401, 20003, "Authentication Error - invalid username")
        own = [each for each in store.all("twilio_message") if each["account_sid"] == account][::-1][:50]
        return jsonify({"messages": own, "page": 0, "page_size": 50, "next_page_uri": None, "uri": request.path})

    @app.get(f"{ACCOUNT}/Messages/<sid>.json")
    def show(account: str, sid: str) -> ResponseReturnValue:
        if _token(account) is None:
            return _problem(401, 20003, "Authentication Error - invalid username")
        message = store.get("twilio_message", sid)
        if message is None or message["account_sid"] != account:
            return _problem(404, 20404, f"The requested resource {request.path} was not found")
        return jsonify(message)

    return app


def _token(account: str) -> str | None:
    """The account's token: the sandbox takes any, and signs callbacks with the one it was called with."""
    given = request.authorization
    if given is None or given.username != account or not given.password:
        return None
    return given.password


def _refusal(form: dict[str, str]) -> tuple[int, str] | None:
    body = form.get("Body", "")
    if not form.get("To"):
        return 21604, "A 'To' phone number is required."
    if not NUMBER.match(form["To"]):
        return 21211, f"Invalid 'To' Phone Number: {form['To']}"
    if not NUMBER.match(form.get("From", "")):
        return 21212, f"Invalid From Number (caller ID): {form.get('From', '')}"
    if not body:
        return 21602, "Message body is required."
    if len(body) > LONGEST:
        return 21617, "The concatenated message body exceeds the 1600 character limit."
    return None


def _problem(status: int, code: int, message: str) -> Response:
    more = f"https://www.twilio.com/docs/errors/{code}"
    body = {"code": code, "message": message, "more_info": more, "status": status}
    return Response(json.dumps(body), status=status, content_type="application/json")


def _message(account: str, clock: Clock) -> Thing:
    sid = f"SM{secrets.token_hex(16)}"
    stamp = format_datetime(datetime.fromtimestamp(clock.now(), UTC).replace(microsecond=0))
    path = f"/2010-04-01/Accounts/{account}/Messages/{sid}"
    return {
        "account_sid": account,
        "api_version": "2010-04-01",
        "body": request.form["Body"],
        "date_created": stamp,
        "date_sent": None,
        "date_updated": stamp,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": request.form["From"],
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": str(count_segments(request.form["Body"])),
        "price": None,
        "price_unit": "USD",
        "sid": sid,
        "status": "queued",
        "subresource_uris": {"media": f"{path}/Media.json"},
        "to": request.form["To"],
        "uri": f"{path}.json",
    }


def _status_forms(message: Thing) -> list[dict[str, str]]:
    """`sent`, then `delivered`; numbers that end in 0009 are not reached."""
    common = {
        "AccountSid": message["account_sid"],
        "ApiVersion": message["api_version"],
        "From": message["from"],
        "MessageSid": message["sid"],
        "SmsSid": message["sid"],
        "To": message["to"],
    }
    last = {"MessageStatus": "delivered"}
    if message["to"].endswith("0009"):
        last = {"MessageStatus": "undelivered", "ErrorCode": "30003"}
    steps = [{"MessageStatus": "sent"}, last]
    return [{**common, **step, "SmsStatus": step["MessageStatus"]} for step in steps]
