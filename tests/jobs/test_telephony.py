"""Texts and calls whose callbacks never came: Twilio is asked."""

from __future__ import annotations

from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import update

from dashboard.database import db
from dashboard.jobs.telephony import settle_telephony
from dashboard.models import Call, TextMessage
from dashboard.wiring import now, unit_of_work
from tests.platform import bearer, new_tenant
from tests.sandbox_server import SandboxServer, wait_until
from tests.telephony import CALL_SID, only_call, only_text, tell_text, totals, twilio


def age(minutes: int) -> None:
    """Let what was asked for lie so far back."""
    with unit_of_work() as session:
        for table in (TextMessage, Call):
            session.execute(update(table).values(requested_at=now() - timedelta(minutes=minutes)))
    db.session.remove()


def test_a_call_whose_end_was_never_told_is_settled(client: FlaskClient, sandbox: SandboxServer) -> None:
    _, key = new_tenant()
    client.post("/api/calls", json={"to": "+15551230042", "message": "Hello"}, headers=bearer(key))
    wait_until(lambda: sandbox.pending() == 0, "the call to end")
    settle_telephony()
    assert totals() == {}
    age(11)
    for _ in range(2):
        settle_telephony()
        assert totals() == {"CALL_MADE": 1, "CALL_DURATION_SECONDS": 42}
    assert only_call().status == "completed"


def test_a_call_that_goes_on_is_left_alone(client: FlaskClient, sandbox: SandboxServer) -> None:
    _, key = new_tenant()
    client.post("/api/calls", json={"to": "+15551230014", "message": "Hello"}, headers=bearer(key))
    wait_until(lambda: sandbox.pending() == 0, "the call to be answered")
    age(11)
    settle_telephony()
    assert (only_call().status, totals()) == ("in-progress", {})


def test_a_text_that_failed_without_a_word_is_taken_back(client: FlaskClient, sandbox: SandboxServer) -> None:
    _, key = new_tenant()
    client.post("/api/messages/sms", json={"to": "+15551230008", "body": "Hello"}, headers=bearer(key))
    wait_until(lambda: sandbox.pending() == 0, "the text to fail")
    assert totals() == {"SMS_SENT": 1}
    age(11)
    settle_telephony()
    assert (only_text().delivery_status, totals()) == ("failed", {"SMS_SENT": 0})


def test_a_text_heard_of_while_twilio_could_not_be_asked_is_recorded(
    client: FlaskClient, sandbox: SandboxServer
) -> None:
    _, key = new_tenant()
    sandbox.fail("POST /2010-04-01", "drop_after")
    client.post("/api/messages/sms", json={"to": "+15551230000", "body": "Hello"}, headers=bearer(key))
    sid = twilio().messages.list()[0].sid
    sandbox.fail("GET /2010-04-01", "error_500", times=2)
    assert tell_text(client, only_text(), "sent", MessageSid=sid) == 503
    age(11)
    settle_telephony()
    assert totals() == {}
    settle_telephony()
    assert totals() == {"SMS_SENT": 1}


def test_one_that_twilio_does_not_know_stops_no_other(client: FlaskClient, sandbox: SandboxServer) -> None:
    _, key = new_tenant()
    for to in ("+15551230007", "+15551230042"):
        client.post("/api/calls", json={"to": to, "message": "Hello"}, headers=bearer(key))
    wait_until(lambda: sandbox.pending() == 0, "the calls to end")
    with unit_of_work() as session:
        session.execute(update(Call).where(Call.to_number == "+15551230007").values(sid=CALL_SID))
    age(11)
    settle_telephony()
    assert totals() == {"CALL_MADE": 1, "CALL_DURATION_SECONDS": 42}


def test_while_twilio_cannot_be_asked_the_rest_waits(client: FlaskClient, sandbox: SandboxServer) -> None:
    _, key = new_tenant()
    for to in ("+15551230007", "+15551230042"):
        client.post("/api/calls", json={"to": to, "message": "Hello"}, headers=bearer(key))
    wait_until(lambda: sandbox.pending() == 0, "the calls to end")
    age(11)
    sandbox.fail("GET /2010-04-01", "drop_before")
    settle_telephony()
    assert totals() == {}
    settle_telephony()
    assert totals() == {"CALL_MADE": 2, "CALL_DURATION_SECONDS": 49}
