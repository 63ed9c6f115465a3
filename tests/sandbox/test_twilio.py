"""Texts at the sandbox: segments as carriers count them, signed callbacks, Twilio's refusals."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from sandbox.twilio.segments import count_segments
from tests.sandbox.conftest import TOKEN, Receiver
from tests.sandbox_server import wait_until


@pytest.mark.parametrize(
    ("body", "segments"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("é" * 160, 1),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("я" * 70, 1),
        ("я" * 71, 2),
        ("я" * 134, 2),
        ("я" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("a" * 66 + "😀" + "a" * 66, 3),
        ("ç", 1),
        ("ç" * 71, 2),
    ],
)
def test_segments_are_counted_as_carriers_do(body: str, segments: int) -> None:
    assert count_segments(body) == segments


def test_a_text_is_answered_with_its_segments(twilio: Client) -> None:
    message = twilio.messages.create(to="+15551230000", from_="+15005550006", body="я" * 100)
    assert (message.num_segments, message.status, message.price) == ("2", "queued", None)
    assert twilio.messages(message.sid).fetch().body == "я" * 100


def test_callbacks_are_signed_and_in_order(twilio: Client, receiver: Receiver) -> None:
    url = f"{receiver.url}/status/7"
    message = twilio.messages.create(to="+15551230000", from_="+15005550006", body="hello", status_callback=url)
    wait_until(lambda: len(receiver.received) == 2, "both callbacks")
    told = []
    for _, headers, body in receiver.received:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        assert form["MessageSid"] == message.sid
        assert RequestValidator(TOKEN).validate(url, form, headers["X-Twilio-Signature"])
        told.append(form["MessageStatus"])
    assert told == ["sent", "delivered"]


@pytest.mark.parametrize(
    ("change", "code"),
    [({"to": "12"}, 21211), ({"from_": "x"}, 21212), ({"body": ""}, 21602), ({"body": "a" * 1601}, 21617)],
)
def test_a_bad_text_is_refused_with_twilios_code(twilio: Client, change: dict[str, str], code: int) -> None:
    good = {"to": "+15551230000", "from_": "+15005550006", "body": "hello"}
    with pytest.raises(TwilioRestException) as refusal:
        twilio.messages.create(**{**good, **change})
    assert refusal.value.code == code
