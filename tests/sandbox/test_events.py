"""Events and the endpoints they go to; failures of webhooks on demand."""

from __future__ import annotations

import json

import pytest
import stripe
from stripe import StripeClient

from tests.sandbox.conftest import Receiver
from tests.sandbox.shop import DAY, JANUARY
from tests.sandbox_server import SandboxServer, wait_until


def listen(client: StripeClient, receiver: Receiver, *types: str) -> stripe.WebhookEndpoint:
    wanted = {"url": receiver.url, "enabled_events": list(types or ("*",)), "api_version": "2026-10-28.endive"}
    return client.v1.webhook_endpoints.create(wanted)


def names_of(receiver: Receiver) -> list[str]:
    return [json.loads(body)["data"]["object"]["name"] for _, _, body in receiver.received]


def create(client: StripeClient, *names: str) -> None:
    for name in names:
        client.v1.products.create({"name": name})


def test_events_are_listed_by_type_time_and_delivery(
    client: StripeClient, sandbox: SandboxServer, receiver: Receiver
) -> None:
    sandbox.post("/_sandbox/clock", {"set_to": JANUARY})
    create(client, "early")
    sandbox.advance(advance_by=DAY)
    endpoint = listen(client, receiver, "customer.created")
    receiver.refusals = 10**6
    create(client, "late")
    client.v1.customers.create({"name": "Ada"})
    both = ["product.created", "customer.created"]
    assert [e.type for e in client.v1.events.list({"types": both}).data] == [both[1], both[0], both[0]]
    assert len(client.v1.events.list({"created": {"gte": JANUARY + DAY}}).data) == 2
    assert len(client.v1.events.list({"type": "product.*"}).data) == 2
    (missed,) = client.v1.events.list({"delivery_success": False}).data
    assert (missed.type, missed.pending_webhooks) == ("customer.created", 1)
    receiver.refusals = 0
    wait_until(lambda: client.v1.events.list({"delivery_success": False}).data == [], "the retry")
    client.v1.webhook_endpoints.delete(endpoint.id)


def test_an_event_names_the_call_that_caused_it(client: StripeClient) -> None:
    customer = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "the key"})
    (event,) = client.v1.events.list({"type": "customer.created"}).data
    assert event.request is not None
    assert event.request.idempotency_key == "the key"
    assert event.request.id == customer.last_response.request_id


def test_events_are_kept_for_thirty_days(client: StripeClient, sandbox: SandboxServer) -> None:
    create(client, "old")
    (event,) = client.v1.events.list().data
    sandbox.advance(advance_by=30 * DAY + 60)
    assert client.v1.events.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such event"):
        client.v1.events.retrieve(event.id)


def test_an_event_outlives_its_thirty_days_while_its_webhook_is_on_its_way(
    client: StripeClient, sandbox: SandboxServer, receiver: Receiver
) -> None:
    listen(client, receiver)
    receiver.refusals = 2  # the third try comes three seconds later, and old things are forgotten each second
    create(client, "slow")
    sandbox.advance(advance_by=31 * DAY)
    wait_until(lambda: sandbox.pending() == 0, "the third try")
    assert names_of(receiver)[-1] == "slow"


def test_an_endpoint_is_changed_disabled_and_gone(
    client: StripeClient, sandbox: SandboxServer, receiver: Receiver
) -> None:
    endpoint = listen(client, receiver, "customer.created")
    assert (endpoint.secret or "").startswith("whsec_")
    changed = client.v1.webhook_endpoints.update(endpoint.id, {"enabled_events": ["product.created"]})
    assert changed.to_dict().get("secret") is None
    create(client, "told")
    wait_until(lambda: names_of(receiver) == ["told"], "the webhook")
    client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    create(client, "not told")
    assert client.v1.webhook_endpoints.delete(endpoint.id).deleted is True
    wait_until(lambda: sandbox.pending() == 0, "deliveries to end")
    assert names_of(receiver) == ["told"]


def test_an_event_can_be_sent_again(client: StripeClient, sandbox: SandboxServer, receiver: Receiver) -> None:
    listen(client, receiver)
    create(client, "twice")
    wait_until(lambda: len(receiver.received) == 1, "the webhook")
    (event,) = client.v1.events.list().data
    sandbox.post(f"/_sandbox/events/{event.id}/redeliver", {})
    wait_until(lambda: len(receiver.received) == 2, "the same again")
    assert {json.loads(body)["id"] for _, _, body in receiver.received} == {event.id}


def plan(sandbox: SandboxServer, kind: str, **more: object) -> None:
    sandbox.post("/_sandbox/webhook_faults", {"match": "product.", "kind": kind, **more})


def test_a_webhook_can_come_twice(client: StripeClient, sandbox: SandboxServer, receiver: Receiver) -> None:
    listen(client, receiver)
    plan(sandbox, "duplicate")
    create(client, "a", "b")
    wait_until(lambda: sorted(names_of(receiver)) == ["a", "a", "b"], "three webhooks")


def test_a_webhook_can_be_lost_and_is_listed_as_such(
    client: StripeClient, sandbox: SandboxServer, receiver: Receiver
) -> None:
    listen(client, receiver)
    plan(sandbox, "drop", times=2)
    create(client, "a", "b", "c")
    wait_until(lambda: sandbox.pending() == 0, "deliveries to end")
    assert names_of(receiver) == ["c"]
    lost = client.v1.events.list({"delivery_success": False}).data
    assert [event.data.object["name"] for event in lost] == ["b", "a"]


def test_webhooks_can_come_in_reverse(client: StripeClient, sandbox: SandboxServer, receiver: Receiver) -> None:
    listen(client, receiver)
    plan(sandbox, "reorder", times=3, seconds=60)
    create(client, "a", "b")
    assert sandbox.pending() == 2
    create(client, "c")
    wait_until(lambda: names_of(receiver) == ["c", "b", "a"], "three webhooks")


def test_webhooks_held_back_can_be_let_go(client: StripeClient, sandbox: SandboxServer, receiver: Receiver) -> None:
    listen(client, receiver)
    plan(sandbox, "reorder", times=9, seconds=60)
    create(client, "a", "b")
    sandbox.http.delete(f"{sandbox.stripe_base}/_sandbox/webhook_faults", timeout=5)
    wait_until(lambda: names_of(receiver) == ["b", "a"], "two webhooks")


def test_a_webhook_can_be_late(client: StripeClient, sandbox: SandboxServer, receiver: Receiver) -> None:
    listen(client, receiver)
    plan(sandbox, "delay", seconds=0.5)
    create(client, "late", "in time")
    wait_until(lambda: names_of(receiver) == ["in time", "late"], "both webhooks")


def test_any_event_can_be_told_on_demand(client: StripeClient, sandbox: SandboxServer, receiver: Receiver) -> None:
    listen(client, receiver, "product.updated")
    product = client.v1.products.create({"name": "a"})
    sandbox.post("/_sandbox/events", {"type": "product.updated", "object": "product", "id": product.id})
    wait_until(lambda: names_of(receiver) == ["a"], "the webhook")
