"""The example platform, run as it is: each action arrives in the ledger with who did it and to what."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from sqlalchemy import select

from dashboard.models import TextMessage
from dashboard.wiring import unit_of_work
from embedded.stack import Stack
from tests.client import ledger
from tests.client.servers import AppServer, CannedServer, http_answer
from tests.examples.running import SECRET, TENANT, Platform, start
from tests.sandbox_server import wait_until

CASES: list[tuple[str, dict[str, Any], str, int, str, str]] = [
    ("reply", {"conversation": "c-17", "prompt": "Are you open?"}, "AI_MESSAGE_GENERATED", 1, "conversation", "c-17"),
    ("speak", {"text": "See you at nine."}, "AI_VOICE_GENERATED", 1, "voice_clip", "{voice_clip}"),
    ("create-contact", {"phone": "+15551230001", "name": "Grace"}, "CONTACT_CREATED", 1, "contact", "+15551230001"),
    ("import-contacts", {"csv": "phone,name\n+1,A\n+2,B\n+1,A"}, "CONTACT_CREATED", 2, "import", "{import}"),
    ("launch-campaign", {"name": "Spring", "text": "Hello"}, "CAMPAIGN_LAUNCHED", 1, "campaign", "{campaign}"),
    ("launch-journey", {"name": "Welcome", "steps": ["text"]}, "JOURNEY_LAUNCHED", 1, "journey", "{journey}"),
    ("create-template", {"name": "Hello", "text": "Hi"}, "TEMPLATE_CREATED", 1, "template", "{template}"),
    ("generate-template", {"name": "Offer", "purpose": "sales"}, "AI_TEMPLATE_CREATED", 1, "template", "{template}"),
    ("generate-articles", {"topic": "Teeth"}, "CONTENT_AI_GENERATED", 1, "article", "{articles[0]}"),
]


def test_each_action_arrives_as_the_event_it_causes(platform: Platform) -> None:
    for name, fields, usage_type, quantity, kind, identifier in CASES:
        known = ledger.keys()
        result = platform.act(name, **fields)
        (event,) = [event for event in ledger.events() if event.idempotency_key not in known]
        assert (event.usage_type, event.quantity, event.user_id) == (usage_type, quantity, "ada")
        assert (event.resource_type, event.resource_id) == (kind, identifier.format(**result))


def test_a_text_is_sent_and_counted_by_countinghouse(platform: Platform) -> None:
    result = platform.act("send-text", to="+15551230000", text="See you at nine.", campaign="reminders")
    (event,) = ledger.events()
    assert (event.usage_type, event.quantity, event.user_id) == ("SMS_SENT", 1, "ada")
    assert (event.resource_type, event.resource_id) == ("message", result["sid"])
    assert event.details["campaign"] == "reminders"


def test_a_campaign_texts_its_audience(platform: Platform) -> None:
    campaign = platform.act("launch-campaign", name="Spring", text="Hello", to=["+15551230001", "+15551230002"])
    assert sorted(event.usage_type for event in ledger.events()) == ["CAMPAIGN_LAUNCHED", "SMS_SENT", "SMS_SENT"]
    with unit_of_work() as session:
        texts = session.scalars(select(TextMessage)).all()
        assert {text.details["campaign_id"] for text in texts} == {campaign["campaign"]}


def test_a_limit_stops_its_own_text_and_nothing_after_it(platform: Platform) -> None:
    text = {
        "action": "send-text",
        "to": "+15551230000",
        "text": "x" * 1_531,
    }  # 11 segments of the 20 that Free includes
    answer = platform.post("actions?wait=1", [text, text, {"action": "reply", "conversation": "c-1", "prompt": "Hi"}])
    assert answer.status_code == 201, answer.text
    sent, stopped, reply = answer.json()
    assert (sent["segments"], list(stopped), list(reply)) == (11, ["stopped"], ["message", "text"])
    assert "Free plan includes" in stopped["stopped"]
    assert {event.usage_type: event.quantity for event in ledger.events()} == {
        "SMS_SENT": 11,
        "AI_MESSAGE_GENERATED": 1,
    }
    assert platform.post("actions/send-text", text).status_code == 402


def test_a_campaign_says_how_far_a_limit_let_it_go(platform: Platform) -> None:
    audience = ["+15551230001", "+15551230002", "+15551230003"]
    campaign = platform.act("launch-campaign", name="Long", text="x" * 7 * 153, to=audience)
    assert (campaign["texts"], "Free plan includes" in campaign["stopped"]) == (2, True)
    assert sorted(event.usage_type for event in ledger.events()) == ["CAMPAIGN_LAUNCHED", "SMS_SENT", "SMS_SENT"]


def test_a_call_is_asked_for_as_the_api_takes_it(stack: Stack, app: Flask, tmp_path: Path) -> None:
    placed = http_answer("201 Created", '{"sid": "CA1", "state": "accepted"}')
    with CannedServer(placed) as countinghouse:
        platform, process = start(stack, tmp_path, countinghouse.base)
        try:
            answer = platform.post("actions/place-call", {"to": "+15551230000", "text": "Your parcel is here."})
        finally:
            process.stop()
    assert (answer.status_code, answer.json()["sid"]) == (201, "CA1")
    assert countinghouse.bodies == [
        json.dumps(
            {
                "to": "+15551230000",
                "message": "Your parcel is here.",
                "user_id": "ada",
                "metadata": {"conversation": "none"},
            }
        ).encode()
    ]
    assert countinghouse.heads[0].startswith(b"POST /api/calls HTTP/1.1\r\n")
    assert b"\r\nidempotency-key: " in countinghouse.heads[0].lower()


def test_what_a_tenant_stores_lies_in_its_own_folder(platform: Platform) -> None:
    clip = platform.act("speak", text="See you at nine.")
    imported = platform.act("import-contacts", csv="phone,name\n+1,A")
    assert sorted(str(path.relative_to(platform.media)) for path in platform.media.rglob("*.*")) == [
        f"imports/{imported['import']}.csv",
        f"voice/{clip['voice_clip']}.wav",
    ]
    assert (platform.media / "voice" / f"{clip['voice_clip']}.wav").stat().st_size > 8_000


def test_actions_go_on_while_countinghouse_is_down_and_arrive_later(platform: Platform, server: AppServer) -> None:
    server.stop()
    moment = datetime.now(UTC) - timedelta(days=40)
    actions = [{"action": "reply", "conversation": "c-1", "prompt": "Hi", "at": moment.isoformat()}] * 50
    assert platform.post("actions", actions).status_code == 201
    assert platform.health() == {"waiting": 50, "refused": 0}
    server.start()
    wait_until(lambda: ledger.counted() == 50, "the reports to arrive")
    assert {event.occurred_at for event in ledger.events()} == {moment}


@pytest.mark.parametrize(
    ("action", "named"),
    [
        ({"action": "fax"}, "action"),
        ({"action": "reply", "conversation": "c-1"}, "prompt"),
        ({"action": "import-contacts", "csv": "phone\n+1"}, "csv"),
        ({"action": "speak", "text": "Hi", "at": "yesterday"}, "at"),
        ({"action": "speak", "text": "Hi", "at": "2026-06-01T09:30:00"}, "at"),
        ({"action": ["speak"]}, "action"),
    ],
)
def test_a_bad_action_is_told_and_reports_nothing(platform: Platform, action: dict[str, Any], named: str) -> None:
    answer = platform.post("actions?wait=1", [action])
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"].startswith(named)
    assert ledger.events() == []


def test_a_time_is_taken_only_where_the_setting_allows_it(stack: Stack, server: AppServer, tmp_path: Path) -> None:
    platform, process = start(stack, tmp_path, server.base)
    try:
        at = {"Action-Time": datetime.now(UTC).isoformat()}
        answer = platform.post("actions/reply", {"conversation": "c-1", "prompt": "Hi"}, **at)
    finally:
        process.stop()
    assert (answer.status_code, answer.json()["error"][:2]) == (422, "at")


def test_a_webhook_is_taken_only_with_its_signature(platform: Platform) -> None:
    body = b'{"type": "usage.alert"}'
    headers = _signed(body)
    url = f"{platform.base}/{TENANT}/webhooks/countinghouse"
    for _ in range(2):
        assert requests.post(url, data=body, headers=headers, timeout=10).status_code == 204
    assert requests.post(url, data=body + b" ", headers=headers, timeout=10).status_code == 400
    assert requests.post(url.replace(TENANT, "other"), data=body, headers=headers, timeout=10).status_code == 404


def _signed(body: bytes) -> dict[str, str]:
    """The headers of a webhook as the Standard Webhooks scheme makes them."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    sent = str(int(datetime.now(UTC).timestamp()))
    signature = base64.b64encode(hmac.digest(key, b"msg_1." + sent.encode() + b"." + body, "sha256")).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": sent, "webhook-signature": f"v1,{signature}"}
