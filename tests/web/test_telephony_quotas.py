"""A cap stops a text or call before Twilio is asked; what then fails gives its reservation back."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from dashboard.billing.limits.limits import set_cap
from dashboard.database import db
from dashboard.models import Call, TextMessage, UsageReservation
from dashboard.wiring import now, unit_of_work
from tests.platform import bearer, new_tenant
from tests.sandbox_server import SandboxServer
from tests.telephony import only_call, only_text, tell_call, tell_text, totals, twilio

TEXTS, CALLS = "/api/messages/sms", "/api/calls"
TEXT = {"to": "+15551230000", "body": "я" * 100}
CALL = {"to": "+15551230042", "message": "Hello"}


def capped(usage_type: str, quantity: int) -> dict[str, str]:
    """The headers of a new tenant that may use so much."""
    tenant_id, key = new_tenant()
    with unit_of_work() as session:
        set_cap(session, tenant_id, usage_type, quantity, set_by="tests", now=now())
    return bearer(key)


def reserved() -> dict[str, int]:
    db.session.rollback()
    return {row.key: row.quantity for row in db.session.scalars(select(UsageReservation))}


def asked_of_twilio() -> int:
    client = twilio()
    return len(client.messages.list()) + len(client.calls.list())


@pytest.mark.parametrize(
    ("url", "body", "usage_type", "table"),
    [(TEXTS, TEXT, "SMS_SENT", TextMessage), (CALLS, CALL, "CALL_MADE", Call)],
    ids=["text", "call"],
)
def test_a_cap_stops_it_before_twilio_is_asked_and_leaves_nothing(
    client: FlaskClient, url: str, body: dict[str, str], usage_type: str, table: type[TextMessage | Call]
) -> None:
    headers = {**capped(usage_type, 0), "Idempotency-Key": "one"}
    answer = client.post(url, json=body, headers=headers)
    assert (answer.status_code, answer.json["usage_type"], answer.json["reason"]) == (402, usage_type, "cap")
    assert (asked_of_twilio(), reserved()) == (0, {})
    assert db.session.scalar(select(func.count()).select_from(table)) == 0


def test_a_text_is_weighed_by_its_segments(client: FlaskClient) -> None:
    headers = capped("SMS_SENT", 3)
    assert client.post(TEXTS, json=TEXT, headers=headers).status_code == 201
    assert reserved() == {}
    assert client.post(TEXTS, json=TEXT, headers=headers).json["asked"] == 2
    assert totals() == {"SMS_SENT": 2}


def test_a_text_that_twilio_refuses_gives_its_place_back(client: FlaskClient, sandbox: SandboxServer) -> None:
    headers = {**capped("SMS_SENT", 2), "Idempotency-Key": "one"}
    sandbox.fail("POST /2010-04-01", "rate_limit")
    assert client.post(TEXTS, json=TEXT, headers=headers).status_code == 422
    assert reserved() == {}
    assert client.post(TEXTS, json=TEXT, headers=headers).status_code == 201


def test_a_text_that_failed_makes_room_again(client: FlaskClient) -> None:
    headers = capped("SMS_SENT", 2)
    client.post(TEXTS, json=TEXT, headers=headers)
    assert client.post(TEXTS, json=TEXT, headers=headers).status_code == 402
    tell_text(client, only_text(), "failed")
    assert client.post(TEXTS, json=TEXT, headers=headers).status_code == 201


def test_a_text_of_unknown_outcome_keeps_its_place_until_its_callback(
    client: FlaskClient, sandbox: SandboxServer
) -> None:
    headers = capped("SMS_SENT", 2)
    sandbox.fail("POST /2010-04-01", "drop_after")
    assert client.post(TEXTS, json=TEXT, headers=headers).status_code == 502
    assert reserved() == {f"text:{only_text().id}": 2}
    assert client.post(TEXTS, json=TEXT, headers=headers).status_code == 402
    sid = twilio().messages.list()[0].sid
    tell_text(client, only_text(), "delivered", MessageSid=sid)
    assert (reserved(), totals()) == ({}, {"SMS_SENT": 2})


def test_a_call_keeps_its_place_until_it_has_ended(client: FlaskClient) -> None:
    headers = capped("CALL_MADE", 1)
    assert client.post(CALLS, json=CALL, headers=headers).status_code == 201
    tell_call(client, only_call(), "in-progress")
    assert reserved() == {f"call:{only_call().id}": 1}
    assert client.post(CALLS, json=CALL, headers=headers).status_code == 402
    tell_call(client, only_call(), "completed", CallDuration="5")
    assert (reserved(), totals()) == ({}, {"CALL_MADE": 1, "CALL_DURATION_SECONDS": 5})


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed", "canceled"])
def test_a_call_that_nobody_answered_gives_its_place_back(client: FlaskClient, status: str) -> None:
    headers = capped("CALL_MADE", 1)
    client.post(CALLS, json=CALL, headers=headers)
    tell_call(client, only_call(), status)
    assert reserved() == {}
    assert client.post(CALLS, json=CALL, headers=headers).status_code == 201


def test_a_call_that_twilio_refuses_gives_its_place_back(client: FlaskClient) -> None:
    headers = capped("CALL_MADE", 1)
    assert client.post(CALLS, json={**CALL, "to": "+15005550002"}, headers=headers).status_code == 422
    assert reserved() == {}
