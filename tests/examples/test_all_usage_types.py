"""All 16 usage types in one run, each by what causes it: nothing here reports usage itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import select

from dashboard.billing.ledger.rollups import verify_rollups
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.jobs.storage import measure_storage
from dashboard.models import ApiKey
from dashboard.web.api.request_counter import flush_now
from dashboard.wiring import now, unit_of_work, wiring
from demo.callers import Callers
from embedded.ports import free_port
from embedded.stack import Stack
from tests.client import ledger
from tests.client.servers import AppServer
from tests.examples.running import Platform, start
from tests.platform import bearer, new_tenant, work_off
from tests.sandbox_server import SandboxServer, wait_until

NUMBER = "+15005550177"
ENDPOINTS = "/api/webhook-endpoints"


@dataclass(frozen=True)
class Integration:
    """A platform whose tenant has a number, and an endpoint that Countinghouse tells of things."""

    countinghouse: str
    platform: Platform
    key: str
    endpoint_id: int

    def ask(self, path: str, body: dict[str, Any]) -> None:
        """A call of the tenant's own service."""
        answer = requests.post(f"{self.countinghouse}{path}", json=body, headers=bearer(self.key), timeout=10)
        assert answer.ok, answer.text


@pytest.fixture
def integration(stack: Stack, server: AppServer, tmp_path: Path) -> Iterator[Integration]:
    """As an integrator sets it up: first the endpoint, then the platform with its secret."""
    tenant_id, key = new_tenant(sms_from=NUMBER)
    port = free_port()
    url = f"http://127.0.0.1:{port}/harbor/webhooks/countinghouse"
    made = requests.post(f"{server.base}{ENDPOINTS}", json={"url": url}, headers=bearer(key), timeout=10).json()
    platform, process = start(
        stack, tmp_path, server.base, tenant=(tenant_id, key), port=port, webhook_secret=made["secret"]
    )
    yield Integration(server.base, platform, key, made["id"])
    process.stop()


# What stands in the ledger: (usage type, who did it, kind of resource, which one) and how much.
Entries = Counter[tuple[str, str | None, str | None, str | None]]


def test_every_usage_type_arrives_by_its_cause(integration: Integration, sandbox: SandboxServer) -> None:
    expected = people_act(integration.platform)
    expected += people_text_and_call(integration.platform, sandbox)
    expected += others_text_and_call()
    expected += countinghouse_tells_the_platform(integration)
    expected += files_are_measured(integration.platform)
    requests_made = api_requests_are_counted()
    assert entries() == expected + requests_made
    assert {usage_type for usage_type, *_ in expected + requests_made} == set(USAGE_TYPES)
    assert integration.platform.health() == {"waiting": 0, "refused": 0}
    with unit_of_work() as session:
        assert verify_rollups(session) == []


def entries() -> Entries:
    """The whole ledger."""
    found: Entries = Counter()
    for event in ledger.events():
        found[event.usage_type, event.user_id, event.resource_type, event.resource_id] += event.quantity
    return found


def people_act(platform: Platform) -> Entries:
    """What the platform reports through its client."""
    act = platform.act
    act("reply", conversation="c-17", prompt="Are you open?")
    act("create-contact", phone="+15551230001", name="Grace")
    clip, journey = act("speak", text="See you at nine."), act("launch-journey", name="Welcome", steps=["text"])
    campaign, template = act("launch-campaign", name="Spring", text="Hi"), act("create-template", name="A", text="Hi")
    drafted, written = act("generate-template", name="B", purpose="sales"), act("generate-articles", topic="Teeth")
    return Counter(
        {
            ("AI_MESSAGE_GENERATED", "ada", "conversation", "c-17"): 1,
            ("CONTACT_CREATED", "ada", "contact", "+15551230001"): 1,
            ("AI_VOICE_GENERATED", "ada", "voice_clip", clip["voice_clip"]): 1,
            ("JOURNEY_LAUNCHED", "ada", "journey", journey["journey"]): 1,
            ("CAMPAIGN_LAUNCHED", "ada", "campaign", campaign["campaign"]): 1,
            ("TEMPLATE_CREATED", "ada", "template", template["template"]): 1,
            ("AI_TEMPLATE_CREATED", "ada", "template", drafted["template"]): 1,
            ("CONTENT_AI_GENERATED", "ada", "article", written["articles"][0]): 1,
        }
    )


def people_text_and_call(platform: Platform, sandbox: SandboxServer) -> Entries:
    """What Countinghouse sends and places for the platform, and counts itself: a call when it has ended."""
    text = platform.act("send-text", to="+15551230000", text="See you at nine." * 20)
    call = platform.act("place-call", to="+15551230042", text="Your parcel is here.")
    platform.act("place-call", to="+15551230012", text="Nobody answers: nothing counts.")
    wait_until(lambda: sandbox.pending() == 0, "Twilio's callbacks")
    return Counter(
        {
            ("SMS_SENT", "ada", "message", text["sid"]): 3,
            ("CALL_MADE", "ada", "call", call["sid"]): 1,
            ("CALL_DURATION_SECONDS", "ada", "call", call["sid"]): 42,
        }
    )


def others_text_and_call() -> Entries:
    """What comes in at the tenant's number; nobody of the tenant did it."""
    callers = Callers(wiring().settings, NUMBER)
    ((text,), (call,)) = callers.text(["Hello"]), callers.call([73])
    return Counter(
        {
            ("SMS_RECEIVED", None, "message", text): 1,
            ("CALL_RECEIVED", None, "call", call): 1,
            ("CALL_DURATION_SECONDS", None, "call", call): 73,
        }
    )


def countinghouse_tells_the_platform(integration: Integration) -> Entries:
    """A webhook, sent by the worker; the platform keeps it only if its signature is right."""
    endpoint = str(integration.endpoint_id)
    integration.ask(f"{ENDPOINTS}/{endpoint}/test", {})
    work_off()
    (kept,) = integration.platform.kept("webhook")
    assert (kept["type"], kept["data"]["webhook_endpoint"]) == ("webhook.test", integration.endpoint_id)
    return Counter({("WEBHOOK_TRIGGERED", "API key tests", "webhook_endpoint", endpoint): 1})


def files_are_measured(platform: Platform) -> Entries:
    """The day's reading: rows and files, in whole megabytes."""
    (platform.media / "film.bin").write_bytes(bytes(3_000_000))
    assert measure_storage(now()) == 1
    (reading,) = [event for event in ledger.events() if event.usage_type == "STORAGE_USED_MB"]
    assert reading.details["file_bytes"] == sum(path.stat().st_size for path in platform.media.rglob("*.*"))
    return Counter({("STORAGE_USED_MB", None, "storage", None): 4})


def api_requests_are_counted() -> Entries:
    """Each call with the tenant's key so far; how many batches the client made of its reports is its own affair."""
    assert flush_now() > 0
    made: Entries = Counter({entry: quantity for entry, quantity in entries().items() if entry[0] == "API_REQUEST"})
    by_route = {route: quantity for (_, _, _, route), quantity in made.items()}
    batches = by_route.pop("POST /api/billing/usage/events")
    assert 1 <= batches <= 8
    assert by_route == {
        "POST /api/messages/sms": 1,
        "POST /api/calls": 2,
        "POST /api/webhook-endpoints": 1,
        "POST /api/webhook-endpoints/<int:endpoint_id>/test": 1,
    }
    with unit_of_work() as session:
        (key_id,) = session.scalars(select(ApiKey.id))
    assert {(who, kind) for _, who, kind, _ in made} == {(f"API key {key_id}", "endpoint")}
    return made
