"""Outgoing webhooks to endpoints that fail, and workers that share or leave them."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread

from flask import Flask
from sqlalchemy import select

from dashboard.billing.outgoing_webhooks import webhook_log
from dashboard.billing.outgoing_webhooks.outgoing_webhooks import PAUSES
from dashboard.billing.outgoing_webhooks.webhook_endpoints import delete_endpoint
from dashboard.database import db
from dashboard.jobs.outgoing import send_due_webhooks
from dashboard.jobs.schedule import sweep
from dashboard.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from dashboard.wiring import now, unit_of_work
from tests.jobs.outgoing_webhooks.endpoints import add_endpoint, counted, only_delivery, tell
from tests.platform import work_off
from tests.receiver import Receiver, receiving
from tests.sandbox_server import SandboxServer, wait_until


def test_a_failing_endpoint_is_asked_again_for_three_days_then_waits_for_replay(
    tenant_id: int, receiver: Receiver, sandbox: SandboxServer
) -> None:
    endpoint_id, _ = add_endpoint(tenant_id, receiver)
    begun = now()
    tell(tenant_id)
    receiver.statuses = [500] * (len(PAUSES) + 1)
    for attempt, pause in enumerate(PAUSES, 1):
        send_due_webhooks()
        delivery = only_delivery()
        assert (delivery.state, delivery.attempts) == ("pending", attempt)
        assert timedelta(0) <= delivery.next_attempt_at - now() <= timedelta(seconds=pause)
        send_due_webhooks()  # too early: nothing happens
        assert only_delivery().attempts == attempt
        sandbox.advance(advance_by=pause + 1)
    send_due_webhooks()
    assert only_delivery().state == "failed"
    assert timedelta(days=3) < now() - begun < timedelta(days=4)
    assert counted() == []
    log = webhook_log.find_delivery(db.session(), tenant_id, only_delivery().id).attempts
    assert [each.number for each in log] == list(range(len(PAUSES) + 1, 0, -1))
    assert (log[0].status, log[0].answer[:11], len(log[0].answer)) == (500, "answer 500 ", 1_024)
    ids = {each.headers["webhook-id"] for each in receiver.received}
    assert len(ids) == 1
    with unit_of_work() as session:
        assert webhook_log.replay_failed(session, tenant_id, endpoint_id, now(), now()) == 0
        assert webhook_log.replay_failed(session, tenant_id, endpoint_id, begun, now()) == 1
    send_due_webhooks()
    assert (only_delivery().state, only_delivery().attempts) == ("delivered", len(PAUSES) + 2)
    assert len(counted()) == 1


def test_gone_disables_the_endpoint(tenant_id: int, receiver: Receiver) -> None:
    endpoint_id, _ = add_endpoint(tenant_id, receiver)
    receiver.statuses = [410]
    tell(tenant_id)
    send_due_webhooks()
    assert only_delivery().state == "failed"
    endpoint = db.session.get_one(WebhookEndpoint, (tenant_id, endpoint_id))
    assert (endpoint.enabled, endpoint.disabled_reason) == (False, "It answered 410 Gone.")
    tell(tenant_id, "later")
    sweep()
    work_off()
    assert len(receiver.received) == 1


def test_a_redirect_is_a_failure_and_is_not_followed(tenant_id: int, receiver: Receiver) -> None:
    add_endpoint(tenant_id, receiver)
    receiver.statuses = [302]
    tell(tenant_id)
    send_due_webhooks()
    assert only_delivery().state == "pending"
    assert db.session.scalars(select(WebhookAttempt.status)).one() == 302
    assert len(receiver.received) == 1


def test_two_workers_never_send_one_delivery_at_once(app: Flask, tenant_id: int, receiver: Receiver) -> None:
    add_endpoint(tenant_id, receiver)
    tell(tenant_id)
    receiver.gate.clear()

    def work() -> None:
        with app.app_context():
            send_due_webhooks()

    first = Thread(target=work)
    first.start()
    wait_until(lambda: len(receiver.received) == 1, "the first request", 10)
    for _ in range(3):
        send_due_webhooks()  # finds nothing to take
    receiver.gate.set()
    first.join(20)
    assert (len(receiver.received), receiver.most_at_once) == (1, 1)
    assert only_delivery().state == "delivered"


def test_no_transaction_is_open_while_the_endpoint_is_asked(app: Flask, tenant_id: int, receiver: Receiver) -> None:
    endpoint_id, _ = add_endpoint(tenant_id, receiver)
    tell(tenant_id)
    receiver.gate.clear()

    def work() -> None:
        with app.app_context():
            send_due_webhooks()

    worker = Thread(target=work)
    worker.start()
    wait_until(lambda: len(receiver.received) == 1, "the request", 10)
    with unit_of_work() as session:  # would wait for ever if the worker held the delivery or its endpoint
        session.connection().exec_driver_sql("SET LOCAL lock_timeout = '2s'")
        delete_endpoint(session, tenant_id, endpoint_id)
    receiver.gate.set()
    worker.join(20)
    assert not worker.is_alive()
    assert db.session.scalars(select(WebhookDelivery)).all() == []


def test_what_a_killed_worker_held_is_sent_when_its_lease_ends(tenant_id: int, receiver: Receiver) -> None:
    add_endpoint(tenant_id, receiver)
    tell(tenant_id)
    with unit_of_work() as session:
        session.connection().exec_driver_sql("UPDATE webhook_deliveries SET lease_until = now() + interval '1 min'")
    send_due_webhooks()
    assert receiver.received == []
    with unit_of_work() as session:
        session.connection().exec_driver_sql("UPDATE webhook_deliveries SET lease_until = now() - interval '1 s'")
    sweep()
    work_off()
    assert only_delivery().state == "delivered"


def test_a_dead_endpoint_holds_back_only_itself(tenant_id: int, receiver: Receiver) -> None:
    with receiving() as other:
        add_endpoint(tenant_id, other)
        add_endpoint(tenant_id, receiver)
        other.statuses = [500] * 5
        for n in range(5):
            tell(tenant_id, f"k{n}")
        sweep()
        work_off()
    assert len(receiver.received) == len(counted()) == 5
    assert len(other.received) == 5
