"""Calls: make one, look one up, list them, end one."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, request

from sandbox.clock import Clock
from sandbox.store import Store, Thing
from sandbox.twilio.answers import ACCOUNT, API, NUMBER, TwilioFault, as_json, not_found, page_of, stamp, token_of
from sandbox.twilio.callbacks import Callbacks, Turn
from sandbox.twilio.outcomes import CALL_REFUSALS, Step, steps_of_call

FINAL = ("completed", "busy", "no-answer", "failed", "canceled")
# The event of StatusCallbackEvent that tells of a status. Every end is told by `completed`.
EVENTS = {"initiated": "initiated", "ringing": "ringing", "in-progress": "answered"}
EVENTS |= dict.fromkeys(FINAL, "completed")
LONGEST_TWIML = 4_000
PARTS = (
    "Events",
    "Notifications",
    "Recordings",
    "Payments",
    "Siprec",
    "Streams",
    "Transcriptions",
    "UserDefinedMessages",
    "UserDefinedMessageSubscriptions",
)
# Kept with the call, never shown.
HIDDEN = ("_callback", "_events", "_told", "_answered_at")


def register(app: Flask, store: Store, clock: Clock, callbacks: Callbacks) -> None:
    """Answer below /Calls."""

    @app.post(f"{ACCOUNT}/Calls.json")
    def create_call(account: str) -> Response:
        token, form = token_of(account), request.form
        _check(form)
        first, *rest = steps_of_call(form["To"])
        call = new_call(account, clock, to=form["To"], from_=form["From"], direction="outbound-api", first=first)
        call["_callback"] = form.get("StatusCallback")
        call["_events"] = form.getlist("StatusCallbackEvent") or ["completed"]
        with store.writing():
            store.put("twilio_call", call, call["sid"])
        answer = as_json(_shown(call), 201)
        callbacks.plan("call", call["sid"], _turns(call, rest, clock), call["_callback"], token)
        return answer

    @app.get(f"{ACCOUNT}/Calls.json")
    def list_calls(account: str) -> Response:
        token_of(account)
        return page_of(
            [_shown(call) for call in store.all("twilio_call")], account, "calls", ("StartTime", "start_time")
        )

    @app.get(f"{ACCOUNT}/Calls/<sid>.json")
    def show_call(account: str, sid: str) -> Response:
        token_of(account)
        return as_json(_shown(_need(store, account, sid)))

    @app.post(f"{ACCOUNT}/Calls/<sid>.json")
    def update_call(account: str, sid: str) -> Response:
        token = token_of(account)
        with store.writing():
            call = _need(store, account, sid)
            step = _end(call, request.form.get("Status"), clock)
            turns = _turns(call, [step], clock)
            call.update(turns[0].changes)
            store.put("twilio_call", call, sid)
        callbacks.plan("call", sid, turns, call["_callback"], token)
        return as_json(_shown(call))


def new_call(account: str, clock: Clock, *, to: str, from_: str, direction: str, first: Step) -> Thing:
    """A call as Twilio shows it. Prices come late at Twilio, and never here."""
    sid = f"CA{secrets.token_hex(16)}"
    path = f"{API}/Accounts/{account}/Calls/{sid}"
    return {
        "account_sid": account,
        "annotation": None,
        "answered_by": None,
        "api_version": "2010-04-01",
        "caller_name": None,
        "date_created": stamp(clock.now()),
        "date_updated": stamp(clock.now()),
        "direction": direction,
        "duration": None,
        "end_time": None,
        "forwarded_from": None,
        "from": from_,
        "from_formatted": from_,
        "group_sid": None,
        "parent_call_sid": None,
        "phone_number_sid": None,
        "price": None,
        "price_unit": "USD",
        "queue_time": "0",
        "sid": sid,
        "start_time": stamp(clock.now()) if direction == "inbound" else None,
        "status": first.status,
        "stir_verstat": None,
        "subresource_uris": {part.lower(): f"{path}/{part}.json" for part in PARTS},
        "to": to,
        "to_formatted": to,
        "trunk_sid": None,
        "uri": f"{path}.json",
        "_callback": None,
        "_events": [],
        "_told": 0,
        "_answered_at": None,
    }


def form_of_call(call: Thing, step: Step, clock: Clock) -> dict[str, str]:
    """What a webhook tells of a call at this step."""
    told = {
        "AccountSid": call["account_sid"],
        "ApiVersion": call["api_version"],
        "CallSid": call["sid"],
        "CallStatus": step.status,
        "Called": call["to"],
        "Caller": call["from"],
        "Direction": call["direction"],
        "From": call["from"],
        "Timestamp": stamp(clock.now()),
        "To": call["to"],
    }
    if step.seconds is not None:
        told |= {"CallDuration": str(step.seconds), "Duration": str(-(-step.seconds // 60))}
    return told


def _shown(call: Thing) -> Thing:
    return {name: value for name, value in call.items() if name not in HIDDEN}


def _need(store: Store, account: str, sid: str) -> Thing:
    call = store.get("twilio_call", sid)
    if call is None or call["account_sid"] != account:
        raise not_found()
    return call


def _check(form: Mapping[str, Any]) -> None:
    to, from_ = form.get("To", ""), form.get("From", "")
    if not to:
        raise TwilioFault(400, 21201, "No 'To' number is specified")
    if not NUMBER.match(to):
        raise TwilioFault(400, 21211, f"Invalid 'To' Phone Number: {to}")
    if to in CALL_REFUSALS:
        code, message = CALL_REFUSALS[to]
        raise TwilioFault(400, code, message.format(to=to))
    if not NUMBER.match(from_):
        raise TwilioFault(400, 21212, f"Invalid From Number (caller ID): {from_}")
    url, twiml = form.get("Url"), form.get("Twiml")
    if url and not url.startswith(("http://", "https://")):
        raise TwilioFault(400, 21205, f"Url is not a valid URL: {url}")
    if bool(url) == bool(twiml):
        raise TwilioFault(400, 21205, "Url or Twiml must be provided, and only one of them.")
    if twiml and len(twiml) > LONGEST_TWIML:
        raise TwilioFault(400, 21605, f"Twiml must be at most {LONGEST_TWIML} characters long.")


def _turns(call: Thing, steps: list[Step], clock: Clock) -> list[Turn]:
    """The steps, each with what it changes and, where somebody asked to hear of it, the form that tells it."""
    turns = []
    for step in steps:
        form = None
        if EVENTS[step.status] in call["_events"]:
            form = form_of_call(call, step, clock)
            form |= {"CallbackSource": "call-progress-events", "SequenceNumber": str(call["_told"])}
            call["_told"] += 1
        turns.append(Turn(_changes(step, clock), form))
    return turns


def _changes(step: Step, clock: Clock) -> Thing:
    changes: Thing = {"status": step.status, "date_updated": stamp(clock.now())}
    if step.status == "initiated":  # null until it is dialed, by Twilio's documentation
        changes |= {"start_time": stamp(clock.now())}
    if step.status == "in-progress":
        changes |= {"_answered_at": clock.now()}
    if step.seconds is not None:
        changes |= {"duration": str(step.seconds), "end_time": stamp(clock.now())}
    return changes


def _end(call: Thing, wanted: str | None, clock: Clock) -> Step:
    """How a call ends that is to end: one that was answered is completed, any other canceled."""
    if wanted not in {"completed", "canceled"}:
        raise TwilioFault(400, 21218, "Status must be completed or canceled.")
    if call["status"] in FINAL:
        raise TwilioFault(400, 21220, "Invalid call state: the call is not in-progress. Cannot redirect or end it.")
    if call["status"] != "in-progress":
        return Step("canceled")
    if wanted == "canceled":
        raise TwilioFault(400, 21220, "Invalid call state: a call that is in-progress cannot be canceled.")
    return Step("completed", seconds=max(int(clock.now() - (call["_answered_at"] or clock.now())), 0))
