"""Stripe's webhooks: verified, stored once, processed in any order, tried again, left for staff."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from stripe import WebhookSignature

from dashboard.billing.webhook_queue import MAX_ATTEMPTS
from dashboard.database import db
from dashboard.jobs.schedule import sweep
from dashboard.models import BillingPeriod, Invoice, StripeEvent, Subscription, Tenant
from tests.platform import buy, deliver_webhooks, log_in, new_tenant, set_up_stripe, work_off
from tests.sandbox_server import SandboxServer

URL = "/api/billing/webhook"
SECRET = "whsec_of_the_tests"


def event(kind: str = "customer.updated", object_id: str = "cus_none", **more: Any) -> dict[str, Any]:
    subject = {"id": object_id, "object": "customer"}
    return {
        "id": "evt_1",
        "object": "event",
        "type": kind,
        "created": 1_780_000_000,
        "data": {"object": subject},
        **more,
    }


def send(client: FlaskClient, body: dict[str, Any], *, secret: str = SECRET, timestamp: int | None = None) -> int:
    raw = json.dumps(body)
    header = WebhookSignature.generate_signature_header(payload=raw, secret=secret, timestamp=timestamp)
    return client.post(URL, data=raw, headers={"Stripe-Signature": header}).status_code


def stored() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(StripeEvent)) or 0


def test_an_unsigned_altered_foreign_or_old_webhook_is_a_400_and_nothing_is_stored(client: FlaskClient) -> None:
    raw = json.dumps(event())
    header = WebhookSignature.generate_signature_header(payload=raw, secret=SECRET)
    assert client.post(URL, data=raw).status_code == 400
    assert client.post(URL, data=raw + " ", headers={"Stripe-Signature": header}).status_code == 400
    assert client.post(URL, data=b"\xff", headers={"Stripe-Signature": header}).status_code == 400
    assert client.post(URL, data=raw, headers={"Stripe-Signature": "t=1,v1=0"}).status_code == 400
    assert send(client, event(), secret="whsec_other") == 400
    assert send(client, event(), timestamp=1_700_000_000) == 400
    assert send(client, {"no": "event"}) == 400
    assert stored() == 0


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
    stored_event = db.session.get_one(StripeEvent, "evt_1")
    assert (stored_event.state, stored_event.attempts) == ("pending", 1)
    assert "ProviderUnavailable" in (stored_event.error or "")
    pause = stored_event.next_attempt_at - stored_event.received_at
    assert timedelta(seconds=3) < pause < timedelta(seconds=30)
    for _ in range(MAX_ATTEMPTS - 1):
        sandbox.advance(advance_by=86_400)
        sweep()
        work_off()
    db.session.rollback()
    assert db.session.get_one(StripeEvent, "evt_1").state == "failed"
    assert "Needs a look" in log_in(app, staff=True).get("/staff/syncs").text


def test_the_sweeper_finds_what_a_lost_queue_forgot(client: FlaskClient, app: Flask) -> None:
    send(client, event())
    app.extensions["countinghouse"].redis.flushall()
    work_off()
    assert db.session.get_one(StripeEvent, "evt_1").state == "pending"
    sweep()
    work_off()
    db.session.rollback()
    assert db.session.get_one(StripeEvent, "evt_1").state == "ignored"


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
    assert db.session.get_one(StripeEvent, "evt_1").state == "ignored"
