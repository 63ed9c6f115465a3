"""Sending texts: through Twilio's SDK to the sandbox, counted once whatever happens in between."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from twilio.request_validator import RequestValidator

from dashboard.database import db
from dashboard.models import TextMessage, UsageEvent
from tests.platform import bearer, new_tenant
from tests.sandbox_server import SandboxServer

URL = "/api/messages/sms"
TEXT = {"to": "+15551230000", "body": "Ваш заказ готов. " * 6, "user_id": "ada", "metadata": {"campaign": "spring"}}


def segments_recorded() -> int:
    db.session.rollback()
    return int(db.session.scalar(select(func.coalesce(func.sum(UsageEvent.quantity), 0))) or 0)


TOKEN = "token-of-the-tests"


def callback(client: FlaskClient, message: TextMessage, sid: str, status: str, token: str = TOKEN, **more: str) -> int:
    path = f"/api/twilio/status/{message.tenant_id}/{message.id}"
    form = {"MessageSid": sid, "MessageStatus": status, "To": message.to_number, "From": message.from_number, **more}
    signature = RequestValidator(token).compute_signature(f"http://127.0.0.1:5000{path}", form)
    return client.post(path, data=form, headers={"X-Twilio-Signature": signature}).status_code


def test_a_text_is_sent_and_its_segments_are_recorded(client: FlaskClient) -> None:
    tenant_id, key = new_tenant()
    answer = client.post(URL, json=TEXT, headers=bearer(key))
    assert answer.status_code == 201
    assert (answer.json["segments"], answer.json["state"]) == (2, "accepted")
    event = db.session.scalars(select(UsageEvent)).one()
    assert (event.tenant_id, event.usage_type, event.quantity, event.user_id) == (tenant_id, "SMS_SENT", 2, "ada")
    assert (event.resource_type, event.resource_id) == ("message", answer.json["sid"])
    assert event.details["campaign"] == "spring"


def test_a_repeat_with_the_same_key_does_not_send_again(client: FlaskClient) -> None:
    _, key = new_tenant()
    headers = {**bearer(key), "Idempotency-Key": "one"}
    first, again = client.post(URL, json=TEXT, headers=headers), client.post(URL, json=TEXT, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json["sid"] == again.json["sid"]
    assert segments_recorded() == 2
    assert client.post(URL, json={**TEXT, "body": "other"}, headers=headers).status_code == 409


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": "555"}, "to"),
        ({"to": None}, "to"),
        ({"from": "+15005550199"}, "from"),
        ({"body": ""}, "body"),
        ({"body": "a" * 1_601}, "body"),
        ({"metadata": "x"}, "metadata"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_text_is_a_422_that_names_the_field(client: FlaskClient, change: dict[str, Any], field: str) -> None:
    _, key = new_tenant()
    answer = client.post(URL, json={**TEXT, **change}, headers=bearer(key))
    assert (answer.status_code, answer.json["field"]) == (422, field)
    assert db.session.scalar(select(func.count()).select_from(TextMessage)) == 0


def test_a_text_that_twilio_refuses_is_not_billed_and_may_be_tried_again(
    client: FlaskClient, sandbox: SandboxServer
) -> None:
    _, key = new_tenant()
    headers = {**bearer(key), "Idempotency-Key": "one"}
    sandbox.fail("POST /2010-04-01", "rate_limit")
    assert client.post(URL, json=TEXT, headers=headers).status_code == 422
    assert segments_recorded() == 0
    assert client.post(URL, json=TEXT, headers=headers).status_code == 201
    assert segments_recorded() == 2


def test_a_text_whose_answer_was_lost_is_counted_by_its_callback(client: FlaskClient, sandbox: SandboxServer) -> None:
    _, key = new_tenant()
    headers = {**bearer(key), "Idempotency-Key": "one"}
    sandbox.fail("POST /2010-04-01", "drop_after")
    lost = client.post(URL, json=TEXT, headers=headers)
    assert lost.status_code == 502
    assert client.post(URL, json=TEXT, headers=headers).status_code == 409
    assert segments_recorded() == 0
    message = db.session.scalars(select(TextMessage)).one()
    sid = sent_sid(sandbox)
    for status in ("delivered", "sent", "delivered"):
        assert callback(client, message, sid, status) == 204
    assert segments_recorded() == 2
    assert client.post(URL, json=TEXT, headers=headers).json["delivery_status"] == "delivered"


def sent_sid(sandbox: SandboxServer) -> str:
    answer = requests.get(
        f"{sandbox.twilio_base}/2010-04-01/Accounts/AC{'1' * 32}/Messages.json",
        auth=("AC" + "1" * 32, "token-of-the-tests"),
        timeout=5,
    )
    return str(answer.json()["messages"][0]["sid"])


def test_a_callback_that_twilio_did_not_sign_is_refused(client: FlaskClient) -> None:
    _, key = new_tenant()
    sid = client.post(URL, json=TEXT, headers=bearer(key)).json["sid"]
    message = db.session.scalars(select(TextMessage)).one()
    assert callback(client, message, sid, "failed", token="another token") == 403
    assert callback(client, message, "SM" + "0" * 32, "failed") == 404
    db.session.refresh(message)
    assert message.delivery_status == "queued"


def test_another_tenants_text_is_a_404(client: FlaskClient) -> None:
    (_, mine), (_, theirs) = new_tenant(), new_tenant()
    made = client.post(URL, json=TEXT, headers=bearer(theirs)).json["id"]
    assert client.get(f"{URL}/{made}", headers=bearer(theirs)).status_code == 200
    assert client.get(f"{URL}/{made}", headers=bearer(mine)).status_code == 404


def test_a_tenant_without_a_number_must_name_one(client: FlaskClient, app: Flask) -> None:
    _, key = new_tenant(sms_from=None)
    assert client.post(URL, json=TEXT, headers=bearer(key)).json["field"] == "from"
    assert client.post(URL, json={**TEXT, "from": "+15005550007"}, headers=bearer(key)).status_code == 201
