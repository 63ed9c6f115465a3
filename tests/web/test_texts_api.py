"""Sending texts: through Twilio's SDK to the sandbox, counted once whatever happens in between."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from dashboard.billing.telephony import inbound
from dashboard.database import db
from dashboard.models import Tenant, TextMessage, UsageEvent
from dashboard.wiring import now, unit_of_work
from tests.platform import bearer, new_tenant
from tests.sandbox_server import SandboxServer
from tests.telephony import TEXT_SID, only_text, post_form, tell_text, totals, twilio

URL = "/api/messages/sms"
TEXT = {"to": "+15551230000", "body": "Ваш заказ готов. " * 6, "user_id": "ada", "metadata": {"campaign": "spring"}}


def segments_recorded() -> int:
    return totals().get("SMS_SENT", 0)


def test_a_text_is_sent_and_its_segments_are_recorded(client: FlaskClient) -> None:
    tenant_id, key = new_tenant()
    answer = client.post(URL, json=TEXT, headers=bearer(key))
    assert answer.status_code == 201
    assert (answer.json["segments"], answer.json["state"], answer.json["is_billed"]) == (2, "accepted", True)
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
        ({"to": "+15551230000\n"}, "to"),
        ({"to": None}, "to"),
        ({"from": "+15005550199"}, "from"),
        ({"body": ""}, "body"),
        ({"body": "a" * 1_601}, "body"),
        ({"metadata": "x"}, "metadata"),
        ({"metadata": {"x": "a" * 7_800}}, "metadata"),
        ({"user_id": 7}, "user_id"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_text_is_a_422_that_names_the_field(client: FlaskClient, change: dict[str, Any], field: str) -> None:
    _, key = new_tenant()
    answer = client.post(URL, json={**TEXT, **change}, headers=bearer(key))
    assert (answer.status_code, answer.json["field"]) == (422, field)
    assert db.session.scalar(select(func.count()).select_from(TextMessage)) == 0


def test_the_largest_metadata_that_is_taken_can_also_be_recorded_and_taken_back(client: FlaskClient) -> None:
    _, key = new_tenant()
    metadata = {"x": "a" * 7_780}
    answer = client.post(URL, json={**TEXT, "to": "+15551230007", "metadata": metadata}, headers=bearer(key))
    assert (answer.status_code, answer.json["is_billed"]) == (201, False)


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


@pytest.mark.parametrize("number", ["+15005550001", "+15005550002", "+15005550003", "+15005550004", "+15005550009"])
def test_twilios_reason_names_our_field(client: FlaskClient, number: str) -> None:
    _, key = new_tenant()
    answer = client.post(URL, json={**TEXT, "to": number}, headers=bearer(key))
    assert (answer.status_code, answer.json["field"]) == (422, "to")


@pytest.mark.parametrize("kind", ["drop_after", "timeout_after", "drop_before", "half_open", "error_500"])
def test_a_text_whose_answer_was_lost_is_said_to_be_unknown(
    client: FlaskClient, sandbox: SandboxServer, kind: str
) -> None:
    _, key = new_tenant()
    headers = {**bearer(key), "Idempotency-Key": "one"}
    sandbox.fail("POST /2010-04-01", kind, seconds=0.1)
    assert client.post(URL, json=TEXT, headers=headers).status_code == 502
    assert client.post(URL, json=TEXT, headers=headers).status_code == 409
    assert segments_recorded() == 0


def test_a_text_whose_answer_was_lost_is_counted_by_its_callback(client: FlaskClient, sandbox: SandboxServer) -> None:
    _, key = new_tenant()
    headers = {**bearer(key), "Idempotency-Key": "one"}
    sandbox.fail("POST /2010-04-01", "drop_after")
    assert client.post(URL, json=TEXT, headers=headers).status_code == 502
    sid = sent_sid()
    for status in ("delivered", "sent", "delivered"):
        assert tell_text(client, only_text(), status, MessageSid=sid) == 204
    assert segments_recorded() == 2
    assert client.post(URL, json=TEXT, headers=headers).json["delivery_status"] == "delivered"


def test_a_callback_waits_for_twilio_without_losing_the_text(client: FlaskClient, sandbox: SandboxServer) -> None:
    _, key = new_tenant()
    sandbox.fail("POST /2010-04-01", "drop_after")
    client.post(URL, json=TEXT, headers=bearer(key))
    sid = sent_sid()
    sandbox.fail("GET /2010-04-01", "error_500")
    assert tell_text(client, only_text(), "sent", MessageSid=sid) == 503
    assert (only_text().sid, segments_recorded()) == (sid, 0)
    assert tell_text(client, only_text(), "delivered") == 204
    assert segments_recorded() == 2


def sent_sid() -> str:
    """The SID of the text that Twilio took without our hearing of it."""
    return str(twilio().messages.list(limit=1)[0].sid)


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_a_text_that_fails_is_taken_back_once(client: FlaskClient, status: str) -> None:
    _, key = new_tenant()
    made = client.post(URL, json=TEXT, headers=bearer(key)).json
    for told in (status, "sent", status, "queued", status):
        assert tell_text(client, only_text(), told, ErrorCode="30001") == 204
    assert segments_recorded() == 0
    original, correction = db.session.scalars(select(UsageEvent).order_by(UsageEvent.id)).all()
    assert (correction.corrects_id, correction.quantity) == (original.id, -2)
    assert (correction.occurred_at, correction.idempotency_key) == (original.occurred_at, f"sms:{made['sid']}:failed")
    assert (correction.details["status"], correction.details["error"]) == (status, "Twilio error 30001")
    shown = client.get(f"{URL}/{made['id']}", headers=bearer(key)).json
    assert (shown["is_billed"], shown["delivery_status"], shown["error"]) == (False, status, "Twilio error 30001")


def test_a_text_that_is_undelivered_is_billed_as_twilio_bills_it(client: FlaskClient) -> None:
    _, key = new_tenant()
    client.post(URL, json=TEXT, headers=bearer(key))
    assert tell_text(client, only_text(), "undelivered", ErrorCode="30003") == 204
    assert segments_recorded() == 2
    assert only_text().error == "Twilio error 30003"


def test_a_text_whose_first_answer_is_failed_is_recorded_and_taken_back(client: FlaskClient) -> None:
    _, key = new_tenant()
    answer = client.post(URL, json={**TEXT, "to": "+15551230007"}, headers=bearer(key))
    assert (answer.status_code, answer.json["delivery_status"], answer.json["is_billed"]) == (201, "failed", False)
    assert answer.json["error"] == "Twilio error 30002"
    assert tell_text(client, only_text(), "failed", ErrorCode="30002") == 204
    quantities = [event.quantity for event in db.session.scalars(select(UsageEvent).order_by(UsageEvent.id))]
    assert quantities == [2, -2]


def test_a_failed_text_that_the_tenant_corrected_itself_stays_as_corrected(client: FlaskClient) -> None:
    _, key = new_tenant()
    client.post(URL, json=TEXT, headers=bearer(key))
    original = db.session.scalars(select(UsageEvent)).one()
    own = {"usage_type": "SMS_SENT", "quantity": -1, "idempotency_key": "own", "corrects_id": original.id}
    assert client.post("/api/billing/usage/events", json=own, headers=bearer(key)).status_code == 201
    assert tell_text(client, only_text(), "failed") == 204
    assert segments_recorded() == 1


def test_a_callback_that_twilio_did_not_sign_is_refused(client: FlaskClient) -> None:
    _, key = new_tenant()
    client.post(URL, json=TEXT, headers=bearer(key))
    message = only_text()
    path = f"/api/twilio/status/{message.tenant_id}/{message.id}"
    form = {"MessageSid": message.sid, "MessageStatus": "failed", "To": message.to_number, "From": message.from_number}
    assert post_form(client, path, form, token="another token").status_code == 403
    assert client.post(path, data=form).status_code == 403
    assert (only_text().delivery_status, segments_recorded()) == ("queued", 2)


def test_a_callback_with_another_sid_changes_nothing(client: FlaskClient) -> None:
    _, key = new_tenant()
    client.post(URL, json=TEXT, headers=bearer(key))
    assert tell_text(client, only_text(), "failed", MessageSid=TEXT_SID) == 404
    assert (only_text().delivery_status, segments_recorded()) == ("queued", 2)


@pytest.mark.parametrize("change", [{"To": "+15559990000"}, {"From": "+15559990000"}], ids=["To", "From"])
def test_a_text_of_unknown_outcome_is_not_taken_for_one_with_other_numbers(
    client: FlaskClient, sandbox: SandboxServer, change: dict[str, str]
) -> None:
    _, key = new_tenant()
    sandbox.fail("POST /2010-04-01", "drop_before")
    client.post(URL, json=TEXT, headers=bearer(key))
    assert tell_text(client, only_text(), "delivered", **change) == 404
    assert (only_text().sid, segments_recorded()) == (None, 0)


@pytest.mark.parametrize(
    ("field", "value"), [("MessageSid", ""), ("MessageSid", "SM12"), ("MessageStatus", "a b"), ("ErrorCode", "x")]
)
def test_a_malformed_callback_is_a_400_that_names_the_field(client: FlaskClient, field: str, value: str) -> None:
    _, key = new_tenant()
    client.post(URL, json=TEXT, headers=bearer(key))
    message = only_text()
    form = {"MessageSid": message.sid, "MessageStatus": "sent", "To": message.to_number, "From": message.from_number}
    answer = post_form(client, f"/api/twilio/status/{message.tenant_id}/{message.id}", {**form, field: value})
    assert (answer.status_code, field in answer.json["detail"]) == (400, True)


def test_another_tenants_text_is_a_404(client: FlaskClient) -> None:
    (_, mine), (_, theirs) = new_tenant(), new_tenant()
    made = client.post(URL, json=TEXT, headers=bearer(theirs)).json["id"]
    assert client.get(f"{URL}/{made}", headers=bearer(theirs)).status_code == 200
    assert client.get(f"{URL}/{made}", headers=bearer(mine)).status_code == 404


def test_a_tenant_without_a_number_names_one_that_nobody_else_has(client: FlaskClient) -> None:
    new_tenant(sms_from="+15005550111")
    _, key = new_tenant(sms_from=None)
    assert client.post(URL, json=TEXT, headers=bearer(key)).json["field"] == "from"
    assert client.post(URL, json={**TEXT, "from": "+15005550111"}, headers=bearer(key)).json["field"] == "from"
    assert client.post(URL, json={**TEXT, "from": "+15005550007"}, headers=bearer(key)).status_code == 201


def test_a_tenant_may_send_from_any_of_its_numbers(client: FlaskClient) -> None:
    tenant_id, key = new_tenant()
    with unit_of_work() as session:
        inbound.assign_number(session, session.get_one(Tenant, tenant_id), "+15005550112", now())
    answer = client.post(URL, json={**TEXT, "from": "+15005550112"}, headers=bearer(key))
    assert (answer.status_code, answer.json["from"]) == (201, "+15005550112")
