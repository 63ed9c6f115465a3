"""Stripe's webhooks: verified, stored once, processed in any order, tried again, left for staff."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from stripe import WebhookSignature
from structlog.testing import capture_logs

from dashboard.billing.inbox.webhook_queue import MAX_ATTEMPTS
from dashboard.database import db
from dashboard.jobs.schedule import sweep
from dashboard.models import BillingPeriod, Invoice, StripeEvent, Subscription, Tenant
from tests.platform import buy, deliver_webhooks, log_in, new_tenant, set_up_stripe, work_off
from tests.sandbox_server import SandboxServer
from tests.stripe_webhooks import SECRET, URL, event, post, send, stored, stored_event


def test_an_unsigned_altered_foreign_or_old_webhook_is_a_400_and_nothing_is_stored(client: FlaskClient) -> None:
    raw = json.dumps(event())
    header = WebhookSignature.generate_signature_header(payload=raw, secret=SECRET)
    assert "missing" in client.post(URL, data=raw).json["detail"]
    assert client.post(URL, data=raw + " ", headers={"Stripe-Signature": header}).status_code == 400
    assert client.post(URL, data=b"\xff", headers={"Stripe-Signature": header}).status_code == 400
    for odd in ("t=1,v1=0", "t=x", "v1=0", "t=1", ",=,", "t=1,v1=\xe9"):
        assert client.post(URL, data=raw, headers={"Stripe-Signature": odd}).status_code == 400, odd
    assert "none of the secrets" in post(client, event(), secret="whsec_other").json["detail"]
    assert "older than 300 seconds" in post(client, event(), timestamp=1_700_000_000).json["detail"]
    assert stored() == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"no": "event"}, "id"),
        ([], "body"),
        ("null", "body"),
        ("{", "body"),
        (event() | {"id": ""}, "id"),
        (event() | {"id": "e\x00"}, "id"),
        (event() | {"type": 7}, "type"),
        (event() | {"type": "x" * 256}, "type"),
        (event() | {"object": "customer"}, "object"),
        (event() | {"created": None}, "created"),
        (event() | {"created": 10**30}, "created"),
        (event() | {"created": "2026-06-15T12:00:00"}, "created"),
        (event() | {"created": True}, "created"),
    ],
)
def test_signed_json_that_is_no_event_is_a_400_that_names_the_field(
    client: FlaskClient, body: object, field: str
) -> None:
    answer = post(client, body)
    assert answer.status_code == 400
    assert field in answer.json["detail"]
    assert stored() == 0


@pytest.mark.parametrize("data", [None, 7, [], {}, {"object": 7}, {"object": {"id": 7}}, {"object": {"id": ""}}])
def test_an_event_without_an_object_is_kept_as_ignored(client: FlaskClient, data: object) -> None:
    assert send(client, event() | {"data": data}) == 200
    assert stored_event().state == "ignored"


def test_a_body_over_a_megabyte_is_a_413(client: FlaskClient) -> None:
    assert send(client, event(about={"name": "n" * 999_000})) == 200
    assert send(client, event(about={"name": "n" * 1_000_000}), timestamp=1) == 413
    assert stored() == 1


def test_text_that_the_database_cannot_hold_is_kept_as_near_as_can_be(client: FlaskClient) -> None:
    body = json.dumps(event()).replace('"cus_none"', '"cus_none", "name": "a\\u0000b\\ud83d\\ude00"')
    assert send(client, body) == 200
    payload = stored_event().payload
    assert payload is not None
    assert payload["data"]["object"]["name"] == "a\ufffdb\U0001f600"


def test_an_event_of_the_other_mode_is_refused(client: FlaskClient) -> None:
    answer = post(client, event(livemode=True))
    assert answer.status_code == 400
    assert "livemode" in answer.json["detail"]
    assert stored() == 0


class TestWhileASecretIsRolled:
    """Stripe signs with both secrets for a day; an endpoint of another kind has one of its own."""

    @pytest.fixture
    def more_settings(self) -> dict[str, object]:
        return {"stripe_webhook_secret": "whsec_new, whsec_old"}

    def test_either_secret_is_taken_and_the_log_names_the_second_without_showing_it(self, client: FlaskClient) -> None:
        with capture_logs() as said:
            assert send(client, event(), secret="whsec_old") == 200
            assert send(client, event(id="evt_2"), secret="whsec_new") == 200
            assert send(client, event(id="evt_3"), secret="whsec_new, whsec_old") == 400
            assert "older than" in post(client, event(id="evt_3"), secret="whsec_old", timestamp=1).json["detail"]
        assert [line["secret"] for line in said if "secret" in line] == [2]
        assert "whsec" not in repr(said)


def test_webhooks_at_the_same_moment_are_stored_together_and_once(client: FlaskClient, app: Flask) -> None:
    def deliver(number: int) -> bool:
        answer = post(app.test_client(), event(id=f"evt_{number // 2}"))
        assert answer.status_code == 200
        return bool(answer.json["is_new"])

    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(deliver, range(80)))
    assert (stored(), sum(new)) == (40, 40)


def test_a_webhook_is_stored_once_however_often_it_comes(client: FlaskClient) -> None:
    assert [send(client, event()) for _ in range(3)] == [200, 200, 200]
    assert stored() == 1


def test_what_changes_nothing_here_is_kept_as_ignored(client: FlaskClient) -> None:
    send(client, event("payment_link.created"))
    thin = {"id": "evt_2", "object": "v2.core.event", "type": "v2.core.account.updated"}
    send(client, {**thin, "created": "2026-06-15T12:00:00Z"})
    work_off()
    assert set(db.session.scalars(select(StripeEvent.state))) == {"ignored"}


def test_a_plan_bought_turns_active_by_webhooks_in_any_order(client: FlaskClient, app: Flask) -> None:
    set_up_stripe()
    tenant_id, _ = new_tenant()
    buy(log_in(app, tenant_id), tenant_id, "professional")
    assert db.session.scalar(select(func.count()).select_from(Subscription)) == 0
    assert deliver_webhooks(client) > 5
    subscription = db.session.scalars(select(Subscription)).one()
    assert (subscription.status, subscription.plan, subscription.interval) == ("active", "professional", "monthly")
    invoice = db.session.scalars(select(Invoice)).one()
    assert (invoice.status, invoice.total, invoice.tenant_id) == ("paid", 9900, tenant_id)
    period = db.session.scalars(select(BillingPeriod)).one()
    assert (period.starts_at, period.ends_at) == (subscription.current_period_start, subscription.current_period_end)
    assert set(db.session.scalars(select(StripeEvent.state))) <= {"processed", "ignored"}
    assert deliver_webhooks(client) > 5
    assert db.session.scalar(select(func.count()).select_from(Invoice)) == 1


def test_an_ended_subscription_falls_back_to_free(client: FlaskClient, app: Flask, sandbox: SandboxServer) -> None:
    set_up_stripe()
    tenant_id, _ = new_tenant()
    browser = log_in(app, tenant_id)
    buy(browser, tenant_id)
    deliver_webhooks(client)
    subscription = db.session.scalars(select(Subscription)).one()
    v1 = app.extensions["countinghouse"].stripe_client.v1
    v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    deliver_webhooks(client)
    assert "Ends on" in browser.get(f"/tenants/{tenant_id}/plans").text
    assert subscription.current_period_end is not None
    sandbox.advance(advance_to=subscription.current_period_end.timestamp() + 7_200)
    deliver_webhooks(client)
    db.session.rollback()
    assert db.session.scalars(select(Subscription)).one().status == "canceled"
    assert "You are on Free" in browser.get(f"/tenants/{tenant_id}/plans").text


def test_a_failure_keeps_its_traceback_is_tried_again_and_at_last_left_for_staff(
    client: FlaskClient, app: Flask, sandbox: SandboxServer
) -> None:
    sandbox.fail("GET /v1/customers", "error_500", times=99)
    send(client, event())
    work_off()
    failed = stored_event()
    assert (failed.state, failed.attempts) == ("pending", 1)
    assert "ProviderUnavailable" in (failed.error or "")
    pause = failed.next_attempt_at - failed.received_at
    assert timedelta(seconds=3) < pause < timedelta(seconds=30)
    for _ in range(MAX_ATTEMPTS - 1):
        sandbox.advance(advance_by=86_400)
        sweep()
        work_off()
    db.session.rollback()
    assert stored_event().state == "failed"
    assert f"/staff/webhooks/{stored_event().id}" in log_in(app, staff=True).get("/staff/webhooks?state=failed").text


def test_the_sweeper_finds_what_a_lost_queue_forgot(client: FlaskClient, app: Flask) -> None:
    send(client, event())
    app.extensions["countinghouse"].redis.flushall()
    work_off()
    assert stored_event().state == "pending"
    sweep()
    work_off()
    db.session.rollback()
    assert stored_event().state == "ignored"


def test_a_customer_deleted_at_stripe_is_let_go(client: FlaskClient, app: Flask) -> None:
    set_up_stripe()
    tenant_id, _ = new_tenant()
    buy(log_in(app, tenant_id), tenant_id)
    customer = db.session.get_one(Tenant, tenant_id).stripe_customer_id
    assert customer is not None
    app.extensions["countinghouse"].stripe_client.v1.customers.delete(customer)
    send(client, event("customer.deleted", customer))
    work_off()
    db.session.expire_all()
    assert db.session.get_one(Tenant, tenant_id).stripe_customer_id is None


@pytest.mark.parametrize("kind", ["invoice.paid", "customer.subscription.updated", "checkout.session.completed"])
def test_an_object_stripe_does_not_know_is_ignored(client: FlaskClient, kind: str) -> None:
    send(client, event(kind, "gone_1"))
    work_off()
    assert stored_event().state == "ignored"
