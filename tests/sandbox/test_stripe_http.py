"""Stripe's manners at the sandbox: keys, errors, idempotency, faults, webhooks."""

from __future__ import annotations

import json

import pytest
import requests
import stripe
from stripe import StripeClient

from tests.sandbox.conftest import Receiver
from tests.sandbox_server import SandboxServer, wait_until


def test_a_call_without_a_key_is_refused(sandbox: SandboxServer) -> None:
    answer = requests.get(f"{sandbox.stripe_base}/v1/customers", timeout=5)
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_request_error")


def test_an_unknown_parameter_is_named_and_leaves_nothing_behind(client: StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        client.v1.customers.create({"nmae": "Ada"})  # type: ignore[typeddict-unknown-key]
    assert refusal.value.param == "nmae"
    assert client.v1.customers.list().data == []


def test_a_missing_object_is_a_404(client: StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        client.v1.customers.retrieve("cus_none")
    assert (refusal.value.http_status, refusal.value.code) == (404, "resource_missing")


def test_the_same_idempotency_key_gives_the_same_answer(client: StripeClient) -> None:
    first = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "one"})
    again = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "one"})
    assert first.id == again.id
    with pytest.raises(stripe.IdempotencyError):
        client.v1.customers.create({"name": "Eve"}, {"idempotency_key": "one"})


def test_lists_come_in_pages(client: StripeClient) -> None:
    made = [client.v1.products.create({"name": str(n)}).id for n in range(7)]
    listed = client.v1.products.list({"limit": 3})
    assert (len(listed.data), listed.has_more) == (3, True)
    assert [each.id for each in listed.auto_paging_iter()] == made[::-1]


def test_a_fault_asked_for_happens_once(client: StripeClient, sandbox: SandboxServer) -> None:
    sandbox.fail("GET /v1/products", "error_500")
    with pytest.raises(stripe.APIError):
        client.v1.products.list()
    assert client.v1.products.list().data == []


def test_a_dropped_answer_was_performed_all_the_same(client: StripeClient, sandbox: SandboxServer) -> None:
    sandbox.fail("POST /v1/products", "drop_after")
    with pytest.raises(stripe.APIConnectionError):
        client.v1.products.create({"name": "kept"})
    assert [each.name for each in client.v1.products.list().data] == ["kept"]


def test_a_webhook_is_signed_and_tried_again(client: StripeClient, sandbox: SandboxServer, receiver: Receiver) -> None:
    endpoint = client.v1.webhook_endpoints.create(
        {"url": f"{receiver.url}/hook", "enabled_events": ["customer.created"]}
    )
    receiver.refusals = 1
    client.v1.products.create({"name": "not told"})
    customer = client.v1.customers.create({"name": "Ada"})
    wait_until(lambda: bool(receiver.received), "the webhook")
    _, headers, body = receiver.received[0]
    event = stripe.Webhook.construct_event(body.decode(), headers["Stripe-Signature"], endpoint.secret or "")
    assert (event.type, event.api_version) == ("customer.created", "2026-10-28.endive")
    assert json.loads(body)["data"]["object"]["id"] == customer.id
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body.decode() + " ", headers["Stripe-Signature"], endpoint.secret or "")
    wait_until(lambda: sandbox.pending() == 0, "deliveries to end")
    assert len(receiver.received) == 1


def test_the_clock_does_not_go_back(sandbox: SandboxServer) -> None:
    answer = requests.post(f"{sandbox.stripe_base}/_sandbox/clock", json={"advance_to": 1}, timeout=5)
    assert (answer.status_code, "go back" in answer.json()["error"]) == (400, True)


def test_a_hosted_page_escapes_what_it_shows(client: StripeClient) -> None:
    product = client.v1.products.create({"name": "<script>alert(1)</script>"})
    price = client.v1.prices.create(
        {"product": product.id, "currency": "usd", "unit_amount": 100, "recurring": {"interval": "month"}}
    )
    session = client.v1.checkout.sessions.create(
        {"mode": "subscription", "line_items": [{"price": price.id, "quantity": 1}], "success_url": "http://127.0.0.1/"}
    )
    assert session.url is not None
    page = requests.get(session.url, timeout=5)
    assert "<script>" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
