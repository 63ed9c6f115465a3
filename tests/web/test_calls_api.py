"""Making calls: through Twilio's SDK to the sandbox, counted once when they have ended."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from dashboard.database import db
from dashboard.models import Call, UsageEvent
from tests.platform import bearer, new_tenant
from tests.sandbox_server import SandboxServer
from tests.telephony import CALL_SID, only_call, post_form, tell_call, totals, twilio

URL = "/api/calls"
CALL = {"to": "+15551230042", "message": "Your table is <ready> & set.", "user_id": "ada", "metadata": {"shop": "3"}}


def test_a_call_is_made_and_counts_when_it_is_completed(client: FlaskClient) -> None:
    tenant_id, key = new_tenant()
    answer = client.post(URL, json=CALL, headers=bearer(key))
    assert (answer.status_code, answer.json["state"], answer.json["status"]) == (201, "accepted", "queued")
    assert totals() == {}
    for status in ("initiated", "ringing", "in-progress"):
        assert tell_call(client, only_call(), status) == 204
    assert totals() == {}
    assert tell_call(client, only_call(), "completed", CallDuration="42") == 204
    assert totals() == {"CALL_MADE": 1, "CALL_DURATION_SECONDS": 42}
    sid = answer.json["sid"]
    made, seconds = db.session.scalars(select(UsageEvent).order_by(UsageEvent.idempotency_key)).all()
    assert (made.idempotency_key, seconds.idempotency_key) == (f"call:{sid}", f"call:{sid}:seconds")
    assert (made.tenant_id, made.user_id, made.resource_type, made.resource_id) == (tenant_id, "ada", "call", sid)
    assert seconds.details == {"shop": "3", "to": CALL["to"], "from": answer.json["from"]}
    shown = client.get(f"{URL}/{answer.json['id']}", headers=bearer(key)).json
    assert (shown["status"], shown["duration_seconds"], shown["direction"]) == ("completed", 42, "outbound")


def test_a_call_counts_in_the_moment_it_ended(client: FlaskClient) -> None:
    _, key = new_tenant()
    client.post(URL, json=CALL, headers=bearer(key))
    tell_call(client, only_call(), "completed", CallDuration="5", Timestamp="Mon, 01 Jun 2026 09:30:00 +0000")
    moments = {event.occurred_at.isoformat() for event in db.session.scalars(select(UsageEvent))}
    assert moments == {"2026-06-01T09:30:00+00:00"}


@pytest.mark.parametrize(
    "told", ["Tue, 01 Jan 2999 00:00:00 +0000", "yesterday", "", "Thu, 01 Jan 1970 00:00:00 +0000"]
)
def test_a_time_that_cannot_be_is_no_reason_to_lose_a_call(client: FlaskClient, told: str) -> None:
    _, key = new_tenant()
    client.post(URL, json=CALL, headers=bearer(key))
    assert tell_call(client, only_call(), "completed", CallDuration="5", Timestamp=told) == 204
    assert totals() == {"CALL_MADE": 1, "CALL_DURATION_SECONDS": 5}


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed", "canceled"])
def test_a_call_that_nobody_answered_is_not_billed(client: FlaskClient, status: str) -> None:
    _, key = new_tenant()
    client.post(URL, json=CALL, headers=bearer(key))
    assert tell_call(client, only_call(), status, CallDuration="0") == 204
    assert (only_call().status, totals()) == (status, {})


def test_a_call_that_was_over_at_once_counts_as_a_call_of_no_seconds(client: FlaskClient) -> None:
    _, key = new_tenant()
    client.post(URL, json=CALL, headers=bearer(key))
    tell_call(client, only_call(), "completed", CallDuration="0")
    assert totals() == {"CALL_MADE": 1, "CALL_DURATION_SECONDS": 0}


def test_a_repeat_with_the_same_key_does_not_call_again(client: FlaskClient) -> None:
    _, key = new_tenant()
    headers = {**bearer(key), "Idempotency-Key": "one"}
    first, again = client.post(URL, json=CALL, headers=headers), client.post(URL, json=CALL, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json["sid"] == again.json["sid"]
    assert client.post(URL, json={**CALL, "message": "other"}, headers=headers).status_code == 409


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": "555"}, "to"),
        ({"to": None}, "to"),
        ({"from": "+15005550199"}, "from"),
        ({"message": ""}, "message"),
        ({"message": None}, "message"),
        ({"message": "a" * 1_601}, "message"),
        ({"message": "&" * 1_000}, "message"),
        ({"message": "Hello\x01"}, "message"),
        ({"url": "https://example.com/twiml"}, "message"),
        ({"message": None, "url": "ftp://example.com"}, "url"),
        ({"message": None, "url": "https://exa mple.com"}, "url"),
        ({"message": None, "url": "http://[::1"}, "url"),
        ({"message": None, "twiml": "hello"}, "twiml"),
        ({"message": None, "twiml": f"<Response>{'a' * 4_000}</Response>"}, "twiml"),
        ({"metadata": "x"}, "metadata"),
        ({"user_id": 7}, "user_id"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_call_is_a_422_that_names_the_field(client: FlaskClient, change: dict[str, Any], field: str) -> None:
    _, key = new_tenant()
    answer = client.post(URL, json={**CALL, **change}, headers=bearer(key))
    assert (answer.status_code, answer.json["field"]) == (422, field)
    assert db.session.scalar(select(func.count()).select_from(Call)) == 0


@pytest.mark.parametrize(
    "script", [{"url": "https://example.com/say.xml"}, {"twiml": "<Response><Hangup/></Response>"}]
)
def test_what_happens_in_a_call_may_stand_at_an_address_or_in_twiml(
    client: FlaskClient, script: dict[str, str]
) -> None:
    _, key = new_tenant()
    wanted = {"to": CALL["to"], **script}
    assert client.post(URL, json=wanted, headers=bearer(key)).status_code == 201


@pytest.mark.parametrize("number", ["+15005550001", "+15005550002", "+15005550003", "+15005550004"])
def test_a_call_that_twilio_refuses_names_our_field_and_may_be_tried_again(client: FlaskClient, number: str) -> None:
    _, key = new_tenant()
    headers = {**bearer(key), "Idempotency-Key": "one"}
    for _ in range(2):
        answer = client.post(URL, json={**CALL, "to": number}, headers=headers)
        assert (answer.status_code, answer.json["field"]) == (422, "to")
    assert (only_call().state, totals()) == ("refused", {})


def test_a_call_whose_answer_was_lost_is_taken_on_by_its_callbacks(client: FlaskClient, sandbox: SandboxServer) -> None:
    _, key = new_tenant()
    headers = {**bearer(key), "Idempotency-Key": "one"}
    sandbox.fail("POST /2010-04-01", "drop_after")
    assert client.post(URL, json=CALL, headers=headers).status_code == 502
    assert client.post(URL, json=CALL, headers=headers).status_code == 409
    sid = str(twilio().calls.list(limit=1)[0].sid)
    for status in ("completed", "ringing", "completed"):
        assert tell_call(client, only_call(), status, CallSid=sid, CallDuration="42") == 204
    assert totals() == {"CALL_MADE": 1, "CALL_DURATION_SECONDS": 42}
    assert client.post(URL, json=CALL, headers=headers).json["status"] == "completed"


def test_a_callback_that_twilio_did_not_sign_is_refused(client: FlaskClient) -> None:
    _, key = new_tenant()
    client.post(URL, json=CALL, headers=bearer(key))
    call = only_call()
    path = f"/api/twilio/call-status/{call.tenant_id}/{call.id}"
    form = {
        "CallSid": call.sid,
        "CallStatus": "completed",
        "CallDuration": "9",
        "To": call.to_number,
        "From": call.from_number,
    }
    assert post_form(client, path, form, token="another token").status_code == 403
    assert client.post(path, data=form).status_code == 403
    assert (only_call().status, totals()) == ("queued", {})


def test_a_callback_with_another_sid_changes_nothing(client: FlaskClient) -> None:
    _, key = new_tenant()
    client.post(URL, json=CALL, headers=bearer(key))
    assert tell_call(client, only_call(), "completed", CallDuration="9", CallSid=CALL_SID) == 404
    assert totals() == {}


@pytest.mark.parametrize("change", [{"To": "+15559990000"}, {"From": "+15559990000"}], ids=["To", "From"])
def test_a_call_of_unknown_outcome_is_not_taken_for_one_with_other_numbers(
    client: FlaskClient, sandbox: SandboxServer, change: dict[str, str]
) -> None:
    _, key = new_tenant()
    sandbox.fail("POST /2010-04-01", "drop_before")
    client.post(URL, json=CALL, headers=bearer(key))
    assert tell_call(client, only_call(), "completed", CallDuration="9", **change) == 404
    assert (only_call().sid, totals()) == (None, {})


def test_a_call_of_unknown_outcome_is_not_taken_for_another_of_the_tenant(
    client: FlaskClient, sandbox: SandboxServer
) -> None:
    _, key = new_tenant()
    known = client.post(URL, json=CALL, headers=bearer(key)).json
    sandbox.fail("POST /2010-04-01", "drop_before")
    unknown = client.post(URL, json=CALL, headers=bearer(key)).json["call_id"]
    call = db.session.scalars(select(Call).where(Call.id == unknown)).one()
    assert tell_call(client, call, "completed", CallDuration="9", CallSid=known["sid"]) == 404
    assert totals() == {}


def test_another_tenants_call_is_a_404(client: FlaskClient) -> None:
    (_, mine), (_, theirs) = new_tenant(), new_tenant()
    made = client.post(URL, json=CALL, headers=bearer(theirs)).json["id"]
    assert client.get(f"{URL}/{made}", headers=bearer(theirs)).status_code == 200
    assert client.get(f"{URL}/{made}", headers=bearer(mine)).status_code == 404
    assert client.get(f"{URL}/{2**63}", headers=bearer(mine)).status_code == 404
    assert client.post(URL, json=CALL).status_code == 401
