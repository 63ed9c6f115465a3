"""Outgoing webhooks over real HTTP: signed, tried again, logged, replayed, counted once."""

from __future__ import annotations

import json

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from dashboard.billing.outgoing_webhooks import webhook_log
from dashboard.billing.outgoing_webhooks.webhook_endpoints import EVENT_TYPES
from dashboard.database import db
from dashboard.jobs.outgoing import announce_usage_thresholds, send_due_webhooks
from dashboard.jobs.schedule import sweep
from dashboard.models import Tenant, WebhookAttempt
from dashboard.wiring import now, unit_of_work, wiring
from tests.factories import record
from tests.jobs.outgoing_webhooks.endpoints import add_endpoint, counted, only_delivery, tell
from tests.platform import buy, deliver_webhooks, log_in, new_tenant, set_up_stripe, work_off
from tests.receiver import Receiver
from tests.sandbox_server import SandboxServer


def test_a_message_arrives_signed_and_is_counted_with_who_and_what(tenant_id: int, receiver: Receiver) -> None:
    endpoint_id, secret = add_endpoint(tenant_id, receiver)
    assert tell(tenant_id)
    sweep()
    work_off()
    (request,) = receiver.received
    assert request.is_signed_with(secret)
    assert not request.is_signed_with("whsec_AAAA")
    assert json.loads(request.body)["data"] == {"id": "in_1"}
    delivery = only_delivery()
    assert (delivery.state, delivery.attempts) == ("delivered", 1)
    (usage,) = counted()
    assert (usage.quantity, usage.user_id, usage.resource_id) == (1, "ada@tenant.example", str(endpoint_id))
    assert (usage.idempotency_key, usage.details["event_type"]) == (f"webhook:{delivery.id}", "invoice.paid")


def test_the_same_key_is_announced_once(tenant_id: int, receiver: Receiver) -> None:
    add_endpoint(tenant_id, receiver)
    assert [tell(tenant_id), tell(tenant_id), tell(tenant_id, "other")] == [True, False, True]
    sweep()
    work_off()
    assert len(receiver.received) == len(counted()) == 2


def test_an_endpoint_gets_what_it_asked_for_and_nothing_of_other_tenants(tenant_id: int, receiver: Receiver) -> None:
    add_endpoint(tenant_id, receiver, event_types=["invoice.paid"])
    add_endpoint(tenant_id, receiver, enabled=False)
    add_endpoint(new_tenant()[0], receiver)
    tell(tenant_id, "a", "invoice.created")
    tell(tenant_id, "b", "invoice.paid")
    sweep()
    work_off()
    assert [json.loads(each.body)["type"] for each in receiver.received] == ["invoice.paid"]


def test_a_delivery_that_arrived_can_be_replayed_and_counts_once(
    tenant_id: int, receiver: Receiver, sandbox: SandboxServer
) -> None:
    add_endpoint(tenant_id, receiver)
    tell(tenant_id)
    send_due_webhooks()
    delivery_id, message_id = only_delivery().id, only_delivery().message_id
    sandbox.advance(advance_by=3_600)
    with unit_of_work() as session:
        webhook_log.replay_delivery(session, tenant_id, delivery_id, now())
    send_due_webhooks()
    assert [each.headers["webhook-id"] for each in receiver.received] == [f"msg_{message_id}"] * 2
    assert receiver.received[0].body == receiver.received[1].body
    assert (only_delivery().state, len(counted())) == ("delivered", 1)


def test_a_key_of_ours_that_the_tenant_used_does_not_send_for_ever(tenant_id: int, receiver: Receiver) -> None:
    add_endpoint(tenant_id, receiver)
    tell(tenant_id)
    with unit_of_work() as session:
        tenant = session.get_one(Tenant, tenant_id)
        record(session, tenant, now=now(), idempotency_key=f"webhook:{only_delivery().id}")
    for _ in range(2):
        send_due_webhooks()
    assert (only_delivery().state, len(receiver.received)) == ("delivered", 1)


def test_what_is_announced_by_usage_is_sent(app: Flask, tenant_id: int, receiver: Receiver) -> None:
    set_up_stripe()
    add_endpoint(tenant_id, receiver)
    with unit_of_work() as session:
        record(session, session.get_one(Tenant, tenant_id), now=now(), quantity=20)
    for _ in range(2):
        announce_usage_thresholds()
        work_off()
    told = [json.loads(each.body)["data"] for each in receiver.received]
    assert sorted((each["percent"], each["used"], each["included"]) for each in told) == [(80, 20, 20), (100, 20, 20)]


def test_a_changed_signing_key_stops_sending_and_says_so(tenant_id: int, receiver: Receiver) -> None:
    add_endpoint(tenant_id, receiver)
    with unit_of_work() as session:
        session.connection().exec_driver_sql("UPDATE webhook_endpoints SET secret_check = '\\x00'")
    tell(tenant_id)
    send_due_webhooks()
    assert receiver.received == []
    assert "WEBHOOK_SIGNING_KEY" in (db.session.scalars(select(WebhookAttempt.error)).one() or "")


def test_buying_and_ending_a_plan_is_told_in_messages(
    app: Flask, client: FlaskClient, receiver: Receiver, tenant_id: int, sandbox: SandboxServer
) -> None:
    set_up_stripe()
    _, secret = add_endpoint(tenant_id, receiver)
    buy(log_in(app, tenant_id), tenant_id)
    deliver_webhooks(client)
    told = [json.loads(each.body) for each in receiver.received]
    kinds = sorted(each["type"] for each in told)
    assert kinds == [
        "billing_state.changed",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "subscription.changed",
    ]
    changed = next(each["data"] for each in told if each["type"] == "subscription.changed")
    assert (changed["status"], changed["plan"], changed["previous"]) == ("active", "starter", None)
    assert all(each.is_signed_with(secret) for each in receiver.received)
    assert set(kinds) < set(EVENT_TYPES)
    deliver_webhooks(client)  # the same events again tell nothing new
    assert len(receiver.received) == 5
    v1 = wiring().stripe_client.v1
    v1.subscriptions.update(changed["id"], {"cancel_at_period_end": True})
    deliver_webhooks(client)
    last = json.loads(receiver.received[-1].body)
    assert (last["type"], last["data"]["previous"]["cancel_at"]) == ("subscription.changed", None)
    assert last["data"]["cancel_at"] is not None
