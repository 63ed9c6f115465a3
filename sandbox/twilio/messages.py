"""Messages: send a text, look one up, list them."""

from __future__ import annotations

import secrets

from flask import Flask, Response, request

from sandbox.clock import Clock
from sandbox.store import Store, Thing
from sandbox.twilio.answers import ACCOUNT, API, NUMBER, TwilioFault, as_json, not_found, page_of, stamp, token_of
from sandbox.twilio.callbacks import Callbacks, Turn
from sandbox.twilio.outcomes import TEXT_REFUSALS, Step, steps_of_text
from sandbox.twilio.segments import count_segments

LONGEST = 1_600


def register(app: Flask, store: Store, clock: Clock, callbacks: Callbacks) -> None:
    """Answer below /Messages."""

    @app.post(f"{ACCOUNT}/Messages.json")
    def create_message(account: str) -> Response:
        token, form = token_of(account), request.form
        _check(form)
        first, *rest = steps_of_text(form["To"])
        message = new_message(
            account, clock, to=form["To"], from_=form["From"], body=form["Body"], direction="outbound-api", first=first
        )
        with store.writing():
            store.put("twilio_text", message, message["sid"])
        turns = [Turn(_changes(step, clock), _form(message, step)) for step in rest or (first,)]
        callbacks.plan("text", message["sid"], turns, form.get("StatusCallback"), token)
        return as_json(message, 201)

    @app.get(f"{ACCOUNT}/Messages.json")
    def list_messages(account: str) -> Response:
        token_of(account)
        return page_of(store.all("twilio_text"), account, "messages", ("DateSent", "date_sent"))

    @app.get(f"{ACCOUNT}/Messages/<sid>.json")
    def show_message(account: str, sid: str) -> Response:
        token_of(account)
        return as_json(_need(store, account, sid))

    @app.delete(f"{ACCOUNT}/Messages/<sid>.json")
    def delete_message(account: str, sid: str) -> Response:
        token_of(account)
        with store.writing():
            _need(store, account, sid)
            store.remove("twilio_text", sid)
        return Response(status=204)


def new_message(account: str, clock: Clock, *, to: str, from_: str, body: str, direction: str, first: Step) -> Thing:
    """A message as Twilio shows it. Prices come late at Twilio, and never here."""
    sid = f"SM{secrets.token_hex(16)}"
    path = f"{API}/Accounts/{account}/Messages/{sid}"
    return {
        "account_sid": account,
        "api_version": "2010-04-01",
        "body": body,
        "date_created": stamp(clock.now()),
        "date_sent": stamp(clock.now()) if direction == "inbound" else None,
        "date_updated": stamp(clock.now()),
        "direction": direction,
        "error_code": first.error,
        "error_message": None,
        "from": from_,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": str(count_segments(body)),
        "price": None,
        "price_unit": "USD",
        "sid": sid,
        "status": first.status,
        "subresource_uris": {"media": f"{path}/Media.json"},
        "to": to,
        "uri": f"{path}.json",
    }


def _need(store: Store, account: str, sid: str) -> Thing:
    message = store.get("twilio_text", sid)
    if message is None or message["account_sid"] != account:
        raise not_found()
    return message


def _check(form: dict[str, str]) -> None:
    to, from_, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
    if not to:
        raise TwilioFault(400, 21604, "A 'To' phone number is required.")
    if not NUMBER.match(to):
        raise TwilioFault(400, 21211, f"Invalid 'To' Phone Number: {to}")
    if to in TEXT_REFUSALS:
        code, message = TEXT_REFUSALS[to]
        raise TwilioFault(400, code, message.format(to=to))
    if not NUMBER.match(from_):
        raise TwilioFault(400, 21212, f"Invalid From Number (caller ID): {from_}")
    if not body:
        raise TwilioFault(400, 21602, "Message body is required.")
    if len(body) > LONGEST:
        raise TwilioFault(400, 21617, "The concatenated message body exceeds the 1600 character limit.")


def _changes(step: Step, clock: Clock) -> Thing:
    changes: Thing = {"status": step.status, "error_code": step.error, "date_updated": stamp(clock.now())}
    return changes | ({"date_sent": stamp(clock.now())} if step.status == "sent" else {})


def _form(message: Thing, step: Step) -> dict[str, str]:
    told = {
        "AccountSid": message["account_sid"],
        "ApiVersion": message["api_version"],
        "From": message["from"],
        "MessageSid": message["sid"],
        "MessageStatus": step.status,
        "SmsSid": message["sid"],
        "SmsStatus": step.status,
        "To": message["to"],
    }
    return told | ({"ErrorCode": str(step.error)} if step.error else {})
