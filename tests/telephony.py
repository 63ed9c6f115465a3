"""Twilio's side of a test: signed webhooks handed to our routes, and real ones of the sandbox passed on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from urllib.parse import urlsplit

from flask.testing import FlaskClient
from sqlalchemy import func, select
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from werkzeug.test import TestResponse

from dashboard.database import db
from dashboard.models import Call, TextMessage, UsageEvent
from dashboard.wiring import wiring
from tests.sandbox.conftest import Receiver

ACCOUNT, TOKEN = "AC" + "1" * 32, "token-of-the-tests"
PUBLIC_URL = "http://127.0.0.1:5000"
TEXT_SID, CALL_SID = "SM" + "a" * 32, "CA" + "b" * 32


def post_form(
    client: FlaskClient, path: str, form: Mapping[str, object], *, token: str = TOKEN, base: str = PUBLIC_URL
) -> TestResponse:
    """A form post with the signature that `token` gives it."""
    signature = RequestValidator(token).compute_signature(f"{base}{path}", form)
    return client.post(path, data=form, headers={"X-Twilio-Signature": signature})


def post_json(client: FlaskClient, path: str, fields: object, *, signed: str | None = None) -> TestResponse:
    """A JSON post; the signed address holds the hash of the body, or of `signed` instead."""
    body = json.dumps(fields)
    digest = hashlib.sha256((signed or body).encode()).hexdigest()
    address = f"{path}?bodySHA256={digest}"
    signature = RequestValidator(TOKEN).compute_signature(f"{PUBLIC_URL}{address}", {})
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/json"}
    return client.post(address, data=body, headers=headers)


def tell_text(client: FlaskClient, message: TextMessage, status: str, **more: str) -> int:
    """A status callback about a text."""
    form = {
        "MessageSid": message.sid or TEXT_SID,
        "MessageStatus": status,
        "To": message.to_number,
        "From": message.from_number,
        **more,
    }
    return post_form(client, f"/api/twilio/status/{message.tenant_id}/{message.id}", form).status_code


def tell_call(client: FlaskClient, call: Call, status: str, **more: str) -> int:
    """A status callback about a call that we made."""
    form = {
        "CallSid": call.sid or CALL_SID,
        "CallStatus": status,
        "To": call.to_number,
        "From": call.from_number,
        **more,
    }
    return post_form(client, f"/api/twilio/call-status/{call.tenant_id}/{call.id}", form).status_code


def pass_on(receiver: Receiver, client: FlaskClient) -> list[int]:
    """Hand what the receiver got to our routes, as it came; the answers."""
    answers = []
    while receiver.received:
        path, headers, body = receiver.received.pop(0)
        kept = {name: headers[name] for name in ("X-Twilio-Signature", "Content-Type")}
        parts = urlsplit(path)
        answers.append(client.post(parts.path, data=body, headers=kept, query_string=parts.query).status_code)
    return answers


def twilio() -> Client:
    """Twilio's SDK with our application's account, to look at what Twilio has."""
    client = Client(ACCOUNT, TOKEN)
    client.api.base_url = wiring().settings.twilio_api_base
    return client


def totals() -> dict[str, int]:
    """What the ledger holds by usage type, over all tenants."""
    db.session.rollback()
    rows = db.session.execute(
        select(UsageEvent.usage_type, func.sum(UsageEvent.quantity)).group_by(UsageEvent.usage_type)
    )
    return {usage_type: int(total) for usage_type, total in rows}


def only_text() -> TextMessage:
    """The one text there is."""
    db.session.rollback()
    return db.session.scalars(select(TextMessage)).one()


def only_call() -> Call:
    """The one call there is."""
    db.session.rollback()
    return db.session.scalars(select(Call)).one()
