"""Calls at the sandbox: made, followed, ended; and what every answer holds."""

from __future__ import annotations

import inspect
import re
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.rest.api.v2010.account.call import CallInstance
from twilio.rest.api.v2010.account.message import MessageInstance

from tests.sandbox.conftest import ACCOUNT, TOKEN, Receiver
from tests.sandbox_server import SandboxServer, wait_until

EVENTS = ["initiated", "ringing", "answered", "completed"]
SAY = "<Response><Say>Hello</Say></Response>"


def make(twilio: Client, to: str, **more: Any) -> CallInstance:
    return twilio.calls.create(to=to, from_="+15005550006", twiml=SAY, **more)


def forms(receiver: Receiver) -> list[dict[str, str]]:
    """What was told, each one checked as Twilio's SDK does."""
    told = []
    for path, headers, body in receiver.received:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        assert RequestValidator(TOKEN).validate(f"{receiver.url}{path}", form, headers["X-Twilio-Signature"])
        told.append(form)
    return told


@pytest.mark.parametrize(
    ("to", "statuses", "duration"),
    [
        ("+15551230095", ["initiated", "ringing", "in-progress", "completed"], "95"),
        ("+15551230011", ["initiated", "busy"], None),
        ("+15551230012", ["initiated", "no-answer"], None),
        ("+15551230013", ["initiated", "failed"], None),
    ],
)
def test_a_call_is_told_step_by_step_and_can_be_looked_up(
    twilio: Client, sandbox: SandboxServer, receiver: Receiver, to: str, statuses: list[str], duration: str | None
) -> None:
    call = make(twilio, to, status_callback=f"{receiver.url}/call", status_callback_event=EVENTS)
    assert (call.status, call.duration, call.price) == ("queued", None, None)
    wait_until(lambda: sandbox.pending() == 0, "the call to end")
    told = forms(receiver)
    assert [form["CallStatus"] for form in told] == statuses
    assert [form["SequenceNumber"] for form in told] == [str(n) for n in range(len(statuses))]
    assert {(form["CallSid"], form["To"], form["Direction"]) for form in told} == {(call.sid, to, "outbound-api")}
    assert told[-1].get("CallDuration") == duration
    found = twilio.calls(call.sid).fetch()
    assert (found.status, found.duration, found.end_time is not None) == (
        statuses[-1],
        duration,
        duration is not None,
    )


def test_without_events_only_the_end_is_told(twilio: Client, sandbox: SandboxServer, receiver: Receiver) -> None:
    make(twilio, "+15551230001", status_callback=f"{receiver.url}/call")
    wait_until(lambda: sandbox.pending() == 0, "the call to end")
    assert [form["CallStatus"] for form in forms(receiver)] == ["completed"]


@pytest.mark.parametrize(
    ("to", "wanted", "end"), [("+15551230014", "completed", "completed"), ("+15551230015", "canceled", "canceled")]
)
def test_a_call_can_be_ended_once(
    twilio: Client, sandbox: SandboxServer, receiver: Receiver, to: str, wanted: str, end: str
) -> None:
    call = make(twilio, to, status_callback=f"{receiver.url}/call")
    wait_until(lambda: sandbox.pending() == 0, "the call to ring")
    assert forms(receiver) == []
    assert twilio.calls(call.sid).update(status=wanted).status == end
    wait_until(lambda: sandbox.pending() == 0, "the end to be told")
    assert [form["CallStatus"] for form in forms(receiver)] == [end]
    with pytest.raises(TwilioRestException) as refusal:
        twilio.calls(call.sid).update(status=wanted)
    assert refusal.value.code == 21220


def test_calls_are_listed_newest_first_and_narrowed(twilio: Client, sandbox: SandboxServer) -> None:
    sids = [make(twilio, to).sid for to in ("+15551230001", "+15551230011", "+15551230002")]
    wait_until(lambda: sandbox.pending() == 0, "the calls to end")
    assert [call.sid for call in twilio.calls.list(page_size=2)] == sids[::-1]
    assert [call.sid for call in twilio.calls.list(status="busy")] == [sids[1]]
    assert [call.sid for call in twilio.calls.list(to="+15551230002")] == [sids[2]]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"to": "12"}, 21211),
        ({"to": "+15005550001"}, 21217),
        ({"to": "+15005550002"}, 21214),
        ({"to": "+15005550003"}, 21215),
        ({"to": "+15005550004"}, 21216),
        ({"from_": "x"}, 21212),
        ({"url": "https://example.com"}, 21205),
        ({"twiml": "a" * 4_001}, 21605),
    ],
)
def test_a_bad_call_is_refused_with_twilios_code(twilio: Client, change: dict[str, str], code: int) -> None:
    with pytest.raises(TwilioRestException) as refusal:
        twilio.calls.create(**{"to": "+15551230000", "from_": "+15005550006", "twiml": SAY, **change})
    assert refusal.value.code == code


def test_another_accounts_call_is_a_404(twilio: Client, sandbox: SandboxServer) -> None:
    call = make(twilio, "+15551230000")
    other = Client("AC" + "3" * 32, TOKEN)
    other.api.base_url = sandbox.twilio_base
    with pytest.raises(TwilioRestException) as refusal:
        other.calls(call.sid).fetch()
    assert refusal.value.status == 404


@pytest.mark.parametrize(("path", "read_by"), [("Calls", CallInstance), ("Messages", MessageInstance)])
def test_an_answer_holds_every_field_that_the_sdk_reads(
    twilio: Client, sandbox: SandboxServer, path: str, read_by: type
) -> None:
    url = f"{sandbox.twilio_base}/2010-04-01/Accounts/{ACCOUNT}/{path}.json"
    form = {"To": "+15551230000", "From": "+15005550006", "Body": "Hello", "Twiml": SAY}
    answer = requests.post(url, data=form, auth=(ACCOUNT, TOKEN), timeout=5).json()
    fields = set(re.findall(r'payload\.get\(\s*"(\w+)"', inspect.getsource(read_by.__init__)))
    assert len(fields) > 15
    assert fields <= set(answer)
    assert not [name for name in answer if name.startswith("_")]
