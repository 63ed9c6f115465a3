"""The whole way with the sandbox's own webhooks: what it sends is handed to our routes as it came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask.testing import FlaskClient

from dashboard.app import create_app
from dashboard.database import db
from embedded.stack import Stack
from tests.conftest import settings_for
from tests.platform import IsolatedClient, bearer, new_tenant
from tests.sandbox.conftest import Receiver
from tests.sandbox_server import SandboxServer, wait_until
from tests.telephony import ACCOUNT, TOKEN, only_call, only_text, pass_on, totals

NUMBER = "+15005550123"


@dataclass(frozen=True)
class Line:
    """Our application whose public address is a receiver that Twilio reaches."""

    client: FlaskClient
    receiver: Receiver
    sandbox: SandboxServer
    key: dict[str, str]

    def ask(self, url: str, body: dict[str, str]) -> int:
        """Send a text or make a call, and hand over all that Twilio tells of it."""
        status = self.client.post(url, json=body, headers=self.key).status_code
        wait_until(lambda: self.sandbox.pending() == 0, "Twilio's callbacks")
        assert set(pass_on(self.receiver, self.client)) <= {204}
        return status


@pytest.fixture
def line(stack: Stack, sandbox: SandboxServer, database_url: str) -> Iterator[Line]:
    """A line whose tenant has a number."""
    receiver = Receiver()
    app = create_app(settings_for(stack, sandbox, database_url, public_url=receiver.url))
    app.test_client_class = IsolatedClient
    with app.app_context():
        _, key = new_tenant(sms_from=NUMBER)
        yield Line(app.test_client(), receiver, sandbox, bearer(key))
        db.session.remove()
        db.engine.dispose()
    app.extensions["countinghouse"].redis.close()
    receiver.stop()


@pytest.mark.parametrize("fault", [None, "duplicate", "reorder"])
@pytest.mark.parametrize(
    ("to", "status", "segments"),
    [
        ("+15551230000", "delivered", 1),
        ("+15551230009", "undelivered", 1),
        ("+15551230008", "failed", 0),
        ("+15551230007", "failed", 0),
    ],
)
def test_a_text_counts_as_twilio_bills_it(line: Line, to: str, status: str, segments: int, fault: str | None) -> None:
    if fault:
        line.sandbox.fail_callbacks("text", fault, times=2)
    assert line.ask("/api/messages/sms", {"to": to, "body": "Hello"}) == 201
    assert (only_text().delivery_status, totals()) == (status, {"SMS_SENT": segments})


@pytest.mark.parametrize("fault", [None, "duplicate", "reorder"])
@pytest.mark.parametrize(
    ("to", "status", "counted"),
    [
        ("+15551230042", "completed", {"CALL_MADE": 1, "CALL_DURATION_SECONDS": 42}),
        ("+15551230011", "busy", {}),
        ("+15551230012", "no-answer", {}),
        ("+15551230013", "failed", {}),
    ],
)
def test_a_call_counts_as_twilio_bills_it(
    line: Line, to: str, status: str, counted: dict[str, int], fault: str | None
) -> None:
    if fault:
        line.sandbox.fail_callbacks("call", fault, times=4)
    assert line.ask("/api/calls", {"to": to, "message": "Hello"}) == 201
    assert (only_call().status, totals()) == (status, counted)


@pytest.mark.parametrize(("url", "what"), [("/api/messages/sms", "body"), ("/api/calls", "message")])
def test_what_was_asked_for_without_an_answer_counts_once(line: Line, url: str, what: str) -> None:
    line.sandbox.fail("POST /2010-04-01", "timeout_after", seconds=0.1)
    assert line.ask(url, {"to": "+15551230042", what: "Hello"}) == 502
    assert totals() in ({"SMS_SENT": 1}, {"CALL_MADE": 1, "CALL_DURATION_SECONDS": 42})


@pytest.mark.parametrize("as_json", [False, True])
def test_what_comes_in_counts_once(line: Line, as_json: bool) -> None:
    base = line.receiver.url
    common = {"account": ACCOUNT, "token": TOKEN, "to": NUMBER, "from": "+15551239999", "times": 2, "json": as_json}
    text = {**common, "url": f"{base}/api/twilio/sms", "body": "я" * 100}
    call = {
        **common,
        "url": f"{base}/api/twilio/voice",
        "status_url": f"{base}/api/twilio/voice/status",
        "seconds": 61,
    }
    line.sandbox.post("/_sandbox/inbound/text", text, base=line.sandbox.twilio_base)
    line.sandbox.post("/_sandbox/inbound/call", call, base=line.sandbox.twilio_base)
    assert pass_on(line.receiver, line.client) == [200] * 5
    assert totals() == {"SMS_RECEIVED": 2, "CALL_RECEIVED": 1, "CALL_DURATION_SECONDS": 61}
