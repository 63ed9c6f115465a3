"""Twilio's faults on demand, and what comes in on demand."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.sandbox.conftest import ACCOUNT, TOKEN, Receiver
from tests.sandbox_server import SandboxServer, wait_until

NUMBER, CALLER = "+15005550006", "+15551239999"


def send(twilio: Client, receiver: Receiver, to: str = "+15551230000") -> str:
    made = twilio.messages.create(to=to, from_=NUMBER, body="Hello", status_callback=f"{receiver.url}/text")
    return str(made.sid)


def told(receiver: Receiver, sandbox: SandboxServer) -> list[str]:
    wait_until(lambda: sandbox.pending() == 0, "the callbacks")
    return [parse_qs(body.decode())["MessageStatus"][0] for _, _, body in receiver.received]


@pytest.mark.parametrize(
    ("match", "kind", "statuses"),
    [
        ("text delivered", "drop", ["sent"]),
        ("text sent", "duplicate", ["sent", "sent", "delivered"]),
        ("text sent", "reorder", ["delivered", "sent"]),
        ("text sent", "delay", ["delivered", "sent"]),
        ("call", "drop", ["sent", "delivered"]),
    ],
)
def test_callbacks_fail_on_demand(
    twilio: Client, sandbox: SandboxServer, receiver: Receiver, match: str, kind: str, statuses: list[str]
) -> None:
    sandbox.fail_callbacks(match, kind, seconds=0.3)
    sid = send(twilio, receiver)
    assert told(receiver, sandbox) == statuses
    assert twilio.messages(sid).fetch().status == "delivered"
    receiver.received.clear()
    send(twilio, receiver)
    assert told(receiver, sandbox) == ["sent", "delivered"]


@pytest.mark.parametrize(
    ("to", "statuses", "code"),
    [
        ("+15551230007", ["failed"], 30002),
        ("+15551230008", ["failed"], 30001),
        ("+15551230009", ["sent", "undelivered"], 30003),
    ],
)
def test_the_number_says_how_a_text_ends(
    twilio: Client, sandbox: SandboxServer, receiver: Receiver, to: str, statuses: list[str], code: int
) -> None:
    sid = send(twilio, receiver, to)
    assert told(receiver, sandbox) == statuses
    assert parse_qs(receiver.received[-1][2].decode())["ErrorCode"] == [str(code)]
    found = twilio.messages(sid).fetch()
    assert (found.status, found.error_code, found.price) == (statuses[-1], code, None)


@pytest.mark.parametrize(("kind", "status"), [("rate_limit", 429), ("error_500", 500)])
def test_calls_of_the_api_fail_on_demand_before_anything_happens(
    twilio: Client, sandbox: SandboxServer, kind: str, status: int
) -> None:
    sandbox.fail("POST /2010-04-01", kind)
    with pytest.raises(TwilioRestException) as refusal:
        twilio.messages.create(to="+15551230000", from_=NUMBER, body="Hello")
    assert refusal.value.status == status
    assert twilio.messages.list() == []


@pytest.mark.parametrize(
    ("kind", "made"), [("drop_before", 0), ("drop_after", 1), ("half_open", 0), ("timeout_after", 1)]
)
def test_connections_end_without_an_answer_on_demand(
    twilio: Client, sandbox: SandboxServer, kind: str, made: int
) -> None:
    sandbox.fail("POST /2010-04-01", kind, seconds=0.1)
    with pytest.raises(requests.ConnectionError):
        twilio.messages.create(to="+15551230000", from_=NUMBER, body="Hello")
    assert len(twilio.messages.list()) == made


def test_a_fault_that_does_not_exist_is_refused_in_words(sandbox: SandboxServer) -> None:
    url = f"{sandbox.twilio_base}/_sandbox/callback_faults"
    answer = requests.post(url, json={"match": "", "kind": "explode"}, timeout=5)
    assert (answer.status_code, "delay" in answer.json()["error"]) == (400, True)


def come_in(sandbox: SandboxServer, kind: str, **more: object) -> dict[str, object]:
    wanted = {"account": ACCOUNT, "token": TOKEN, "to": NUMBER, "from": CALLER, **more}
    return sandbox.post(f"/_sandbox/inbound/{kind}", wanted, base=sandbox.twilio_base)


def test_a_text_comes_in_on_demand(sandbox: SandboxServer, receiver: Receiver, twilio: Client) -> None:
    made = come_in(sandbox, "text", url=f"{receiver.url}/sms", body="я" * 100, times=2)
    assert [answer["status"] for answer in made["answers"]] == [200, 200]  # type: ignore[attr-defined, index]
    path, headers, body = receiver.received[0]
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    assert RequestValidator(TOKEN).validate(f"{receiver.url}{path}", form, headers["X-Twilio-Signature"])
    assert (form["MessageSid"], form["NumSegments"], form["SmsStatus"]) == (made["sid"], "2", "received")
    assert twilio.messages(str(made["sid"])).fetch().direction == "inbound"


def test_json_comes_in_with_the_hash_of_its_body_in_the_signed_address(
    sandbox: SandboxServer, receiver: Receiver
) -> None:
    come_in(sandbox, "text", url=f"{receiver.url}/sms?a=1", json=True)
    path, headers, body = receiver.received[0]
    assert "bodySHA256" in parse_qs(urlsplit(path).query)
    assert RequestValidator(TOKEN).validate(f"{receiver.url}{path}", body.decode(), headers["X-Twilio-Signature"])


def test_a_call_comes_in_on_demand(sandbox: SandboxServer, receiver: Receiver, twilio: Client) -> None:
    urls = {"url": f"{receiver.url}/voice", "status_url": f"{receiver.url}/voice/status"}
    made = come_in(sandbox, "call", seconds=61, **urls)
    ringing, ended = [parse_qs(body.decode()) for _, _, body in receiver.received]
    assert (ringing["CallStatus"], ringing["Direction"]) == (["ringing"], ["inbound"])
    assert (ended["CallStatus"], ended["CallDuration"], ended["Duration"]) == (["completed"], ["61"], ["2"])
    assert twilio.calls(str(made["sid"])).fetch().duration == "61"


def test_what_comes_in_must_say_where_and_from_whom(sandbox: SandboxServer) -> None:
    answer = requests.post(f"{sandbox.twilio_base}/_sandbox/inbound/text", json={"to": NUMBER}, timeout=5)
    assert (answer.status_code, answer.json()["error"]) == (400, "give account, token, url, from")


def test_a_list_of_texts_comes_in_together_or_not_at_all(
    sandbox: SandboxServer, receiver: Receiver, twilio: Client
) -> None:
    url = f"{sandbox.twilio_base}/_sandbox/inbound/text"
    text = {"account": ACCOUNT, "token": TOKEN, "to": NUMBER, "from": CALLER, "url": f"{receiver.url}/sms"}
    answer = requests.post(url, json=[text, {**text, "from": ""}], timeout=5)
    assert (answer.status_code, answer.json()["error"], receiver.received) == (400, "give from", [])
    made = requests.post(url, json=[text, {**text, "body": "Second"}], timeout=5).json()
    assert [answer["status"] for each in made for answer in each["answers"]] == [200, 200]
    assert {each["sid"] for each in made} == {message.sid for message in twilio.messages.list()}
