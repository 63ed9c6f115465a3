"""Failures of calls on demand, and rate limits."""

from __future__ import annotations

import threading
import time

import pytest
import requests
import stripe
from stripe import StripeClient

from tests.sandbox.shop import open_shop
from tests.sandbox_server import SandboxServer, wait_until

LIST = "GET /v1/products"
KEY = {"Authorization": "Bearer sk_test_tests"}


def fail(sandbox: SandboxServer, match: str, kind: str, **more: object) -> None:
    sandbox.post("/_sandbox/faults", {"match": match, "kind": kind, **more})


def impatient(sandbox: SandboxServer, retries: int = 0) -> StripeClient:
    base = sandbox.stripe_base
    return StripeClient(
        "sk_test_tests",
        base_addresses={"api": base, "files": base, "connect": base, "meter_events": base},
        max_network_retries=retries,
        http_client=stripe.RequestsClient(timeout=0.3),
    )


def test_a_call_can_be_slow(client: StripeClient, sandbox: SandboxServer) -> None:
    fail(sandbox, LIST, "delay", seconds=0.4)
    began = time.monotonic()
    assert client.v1.products.list().data == []
    assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize(("kind", "made"), [("timeout_before", 0), ("half_open", 0), ("timeout_after", 1)])
def test_a_call_can_time_out_before_or_after_its_work(
    client: StripeClient, sandbox: SandboxServer, kind: str, made: int
) -> None:
    fail(sandbox, "POST /v1/products", kind, seconds=60)
    with pytest.raises(stripe.APIConnectionError):
        impatient(sandbox).v1.products.create({"name": "maybe"})
    assert len(client.v1.products.list().data) == made
    sandbox.http.delete(f"{sandbox.stripe_base}/_sandbox/faults", timeout=5)


def test_a_retry_with_its_key_after_a_time_out_does_it_once(client: StripeClient, sandbox: SandboxServer) -> None:
    fail(sandbox, "POST /v1/products", "timeout_after", seconds=60)
    impatient(sandbox, retries=2).v1.products.create({"name": "once"})
    assert [each.name for each in client.v1.products.list().data] == ["once"]
    sandbox.http.delete(f"{sandbox.stripe_base}/_sandbox/faults", timeout=5)


def test_clearing_lets_go_of_what_is_held(sandbox: SandboxServer) -> None:
    fail(sandbox, LIST, "half_open")
    ended = threading.Event()

    def call() -> None:
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{sandbox.stripe_base}/v1/products", headers=KEY, timeout=60)
        ended.set()

    caller = threading.Thread(target=call)
    caller.start()
    left = f"{sandbox.stripe_base}/_sandbox/faults"
    wait_until(lambda: sandbox.http.get(left, timeout=5).json() == [], "the call to be held")
    sandbox.http.delete(left, timeout=5)
    caller.join(10)
    assert ended.is_set()


def test_a_call_can_be_one_too_many(client: StripeClient, sandbox: SandboxServer) -> None:
    fail(sandbox, LIST, "rate_limit")
    with pytest.raises(stripe.RateLimitError) as refusal:
        client.v1.products.list()
    assert refusal.value.http_status == 429
    assert (refusal.value.headers or {})["Stripe-Rate-Limited-Reason"] == "global-rate"
    assert refusal.value.json_body["error"]["code"] == "rate_limit"


@pytest.mark.parametrize(
    "body",
    [
        {"match": "GET", "kind": "explode"},
        {"kind": "delay"},
        {"match": "GET", "kind": "delay", "seconds": 601},
        {"match": "GET", "kind": "delay", "times": 0},
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(sandbox: SandboxServer, body: dict[str, object]) -> None:
    for path in ("faults", "webhook_faults"):
        assert requests.post(f"{sandbox.stripe_base}/_sandbox/{path}", json=body, timeout=5).status_code == 400


@pytest.mark.parametrize(
    "body",
    [{"colour": 1}, {"dunning_days": [0]}, {"dunning_end": "dead"}, {"rate_limit": "fast"}, {"draft_seconds": 10**6}],
)
def test_a_setting_that_makes_no_sense_is_refused(sandbox: SandboxServer, body: dict[str, object]) -> None:
    answer = requests.post(f"{sandbox.stripe_base}/_sandbox/settings", json=body, timeout=5)
    assert (answer.status_code, next(iter(body)) in answer.json()["error"]) == (400, True)


def test_a_sandbox_takes_25_calls_a_second(sandbox: SandboxServer) -> None:
    sandbox.post("/_sandbox/settings", {"rate_limit": "sandbox"})
    url = f"{sandbox.stripe_base}/v1/products"
    answers: list[requests.Response] = []
    http = requests.Session()

    def call_all() -> None:
        answers.extend(http.get(url, headers=KEY, timeout=10) for _ in range(40))

    wait_until(lambda: call_all() or any(answer.status_code == 429 for answer in answers), "a refusal", 20)
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["Stripe-Rate-Limited-Reason"] == "global-rate"
    assert refused.json()["error"]["code"] == "rate_limit"


def test_one_call_at_a_time_writes_a_customers_meter(client: StripeClient, sandbox: SandboxServer) -> None:
    shop, other = open_shop(client), client.v1.customers.create({"name": "Eve"}).id
    sandbox.post("/_sandbox/settings", {"rate_limit": "live"})
    fail(sandbox, "POST /v1/billing/meter_events", "delay", seconds=30)

    def send(customer: str, identifier: str) -> None:
        payload = {"stripe_customer_id": customer, "value": "1"}
        client.v1.billing.meter_events.create({"event_name": "credit", "payload": payload, "identifier": identifier})

    first = threading.Thread(target=send, args=(shop.customer, "a"))
    first.start()
    left = f"{sandbox.stripe_base}/_sandbox/faults"
    wait_until(lambda: sandbox.http.get(left, timeout=5).json() == [], "the first call")
    with pytest.raises(stripe.RateLimitError) as refusal:
        send(shop.customer, "b")
    assert refusal.value.json_body["error"]["code"] == "lock_timeout"
    send(other, "c")
    sandbox.http.delete(left, timeout=5)
    first.join(10)
    send(shop.customer, "b")
