"""Texts and calls that come in, on demand: somebody writes to a number, or calls it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable

import requests
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from sandbox.clock import Clock
from sandbox.store import Store, Thing
from sandbox.twilio.callbacks import sign
from sandbox.twilio.calls import FINAL, form_of_call, new_call
from sandbox.twilio.messages import new_message
from sandbox.twilio.outcomes import Step

NEEDED = ("account", "token", "url", "to", "from")


def register(app: Flask, store: Store, clock: Clock) -> None:
    """Answer below /_sandbox/inbound. Each webhook is sent before the answer, which tells what came back.

    A list of texts or calls is answered by a list; one that asks for too little leaves all of them undone.
    """

    @app.post("/_sandbox/inbound/text")
    def text() -> ResponseReturnValue:
        return _each(one_text)

    def one_text(wanted: Thing) -> Thing:
        message = new_message(
            wanted["account"],
            clock,
            to=wanted["to"],
            from_=wanted["from"],
            body=wanted.get("body", "Hello"),
            direction="inbound",
            first=Step("received"),
        )
        with store.writing():
            store.put("twilio_text", message, message["sid"])
        told = [_tell(wanted, wanted["url"], _form_of_text(message)) for _ in range(int(wanted.get("times", 1)))]
        return {"sid": message["sid"], "answers": told}

    @app.post("/_sandbox/inbound/call")
    def call() -> ResponseReturnValue:
        """`status_url` hears how it ended: `status`, after `seconds` when it was completed."""
        return _each(one_call)

    def one_call(wanted: Thing) -> Thing:
        end = Step(wanted.get("status", "completed"))
        if end.status == "completed":
            end = Step(end.status, seconds=int(wanted.get("seconds", 0)))
        made = new_call(
            wanted["account"],
            clock,
            to=wanted["to"],
            from_=wanted["from"],
            direction="inbound",
            first=Step("ringing"),
        )
        told = [_tell(wanted, wanted["url"], form_of_call(made, Step("ringing"), clock))]
        made |= {"status": end.status, "duration": str(end.seconds) if end.seconds is not None else None}
        with store.writing():
            store.put("twilio_call", made, made["sid"])
        if wanted.get("status_url"):
            form = form_of_call(made, end, clock)
            told += [_tell(wanted, wanted["status_url"], form) for _ in range(int(wanted.get("times", 1)))]
        return {"sid": made["sid"], "answers": told}


def _each(take: Callable[[Thing], Thing]) -> ResponseReturnValue:
    given = request.get_json()
    many = given if isinstance(given, list) else [given]
    for wanted in many:
        if problem := _problem(wanted):
            return jsonify({"error": problem}), 400
    taken = [take(wanted) for wanted in many]
    return jsonify(taken if isinstance(given, list) else taken[0])


def _problem(wanted: Thing) -> str | None:
    missing = [name for name in NEEDED if not wanted.get(name)]
    if missing:
        return f"give {', '.join(missing)}"
    if wanted.get("status", FINAL[0]) not in FINAL:
        return f"status: must be one of {', '.join(FINAL)}"
    return None


def _form_of_text(message: Thing) -> dict[str, str]:
    return {
        "AccountSid": message["account_sid"],
        "ApiVersion": message["api_version"],
        "Body": message["body"],
        "From": message["from"],
        "MessageSid": message["sid"],
        "NumMedia": message["num_media"],
        "NumSegments": message["num_segments"],
        "SmsMessageSid": message["sid"],
        "SmsSid": message["sid"],
        "SmsStatus": "received",
        "To": message["to"],
    }


def _tell(wanted: Thing, url: str, form: dict[str, str]) -> Thing:
    """One signed webhook, as a form or (`"json": true`) as JSON whose hash is in the signed address."""
    headers = {"X-Twilio-Signature": sign(url, form, wanted["token"])}
    body: str | dict[str, str] = form
    if wanted.get("json"):
        body = json.dumps(form)
        url += f"{'&' if '?' in url else '?'}bodySHA256={hashlib.sha256(body.encode()).hexdigest()}"
        digest = hmac.new(wanted["token"].encode(), url.encode(), hashlib.sha1).digest()
        headers = {"X-Twilio-Signature": base64.b64encode(digest).decode(), "Content-Type": "application/json"}
    try:
        answer = requests.post(url, data=body, headers=headers, timeout=10, allow_redirects=False)
    except requests.RequestException as error:
        return {"status": 0, "body": type(error).__name__}
    return {"status": answer.status_code, "body": answer.text}
