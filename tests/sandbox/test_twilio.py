"""Texts at the sandbox: segments as carriers count them, signed callbacks, Twilio's refusals."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import parse_qs

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from sandbox.twilio.segments import count_segments
from tests.sandbox.conftest import TOKEN, Receiver
from tests.sandbox_server import SandboxServer, wait_until


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


def test_texts_are_listed_by_the_day_they_left_page_after_page(twilio: Client, sandbox: SandboxServer) -> None:
    sent = {}
    for day in ("2027-03-01", "2027-03-02", "2027-03-03"):
        sandbox.advance(advance_to=datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp())
        made = [twilio.messages.create(to="+15551230000", from_="+15005550006", body="hello").sid for _ in range(3)]
        wait_until(lambda: sandbox.pending() == 0, "the texts to leave")
        sent[day] = made
    never_left = twilio.messages.create(to="+15551230008", from_="+15005550006", body="hello").sid

    def listed(**bounds: str) -> list[str | None]:
        return [each.sid for each in twilio.messages.stream(page_size=2, **bounds)]  # type: ignore[arg-type]

    assert listed(date_sent="2027-03-02") == sent["2027-03-02"][::-1]
    assert set(listed(date_sent_after="2027-03-02")) == {*sent["2027-03-02"], *sent["2027-03-03"]}
    assert set(listed(date_sent_before="2027-03-02")) == {*sent["2027-03-01"], *sent["2027-03-02"]}
    assert listed(date_sent_after="2027-03-01T12:00:30Z", date_sent_before="2027-03-02") == sent["2027-03-02"][::-1]
    assert never_left in listed()


def test_a_deleted_text_is_gone(twilio: Client) -> None:
    message = twilio.messages.create(to="+15551230000", from_="+15005550006", body="hello")
    assert twilio.messages(message.sid).delete()
    with pytest.raises(TwilioRestException) as refusal:
        twilio.messages(message.sid).fetch()
    assert refusal.value.status == 404
