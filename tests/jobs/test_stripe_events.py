"""Stored events on their way into our tables: one fetch an object, in any order, and again when it fails."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from dashboard.billing.inbox.webhook_queue import MAX_ATTEMPTS, PAUSES
from dashboard.billing.mirror.customers import ensure_customer
from dashboard.database import db
from dashboard.jobs.replay import replay_event, replay_failed_events
from dashboard.jobs.schedule import sweep
from dashboard.jobs.webhooks import process_stripe_events
from dashboard.models import (
    Invoice,
    StripeEvent,
    Subscription,
    Tenant,
)
from dashboard.wiring import unit_of_work, wiring
from tests.platform import new_tenant, set_up_stripe, work_off
from tests.sandbox.shop import give_card
from tests.sandbox_server import SandboxServer, wait_until
from tests.stripe_webhooks import (
    deliver_all,
    events_of_sandbox,
    fetches,
    post,
    price_of,
    send,
    states,
    stored,
    subscribe,
)


@pytest.fixture
def tenant_id(app: Flask) -> int:
    set_up_stripe()
    return new_tenant()[0]


def test_events_about_one_object_that_wait_together_cost_one_fetch(
    client: FlaskClient, tenant_id: int, sandbox: SandboxServer
) -> None:
    subscription = subscribe(tenant_id)
    deliver_all(client)
    about = [each for each in events_of_sandbox() if "invoice" in each["type"]]
    assert len(about) > 4
    process_stripe_events()
    (invoice,) = db.session.scalars(select(Invoice)).all()
    assert fetches(sandbox, f"/v1/invoices/{invoice.id}") == 1
    assert fetches(sandbox, f"/v1/subscriptions/{subscription.id}") == 1
    assert "pending" not in states()


def test_failure_7_the_period_is_read_from_the_items_where_stripe_has_kept_it_since_basil(
    client: FlaskClient, tenant_id: int
) -> None:
    subscription = subscribe(tenant_id)
    assert not hasattr(subscription, "current_period_end")
    deliver_all(client)
    work_off()
    mirror = db.session.scalars(select(Subscription)).one()
    assert mirror.current_period_end is not None
    assert mirror.current_period_end.timestamp() == subscription["items"].data[0].current_period_end


def test_failure_8_updated_before_created_does_not_leave_a_subscription_incomplete(
    client: FlaskClient, tenant_id: int
) -> None:
    subscription = subscribe(tenant_id)
    with unit_of_work() as session:
        session.get_one(Tenant, tenant_id).stripe_customer_id = str(subscription.customer)
    about = {each["type"]: each for each in events_of_sandbox() if each["type"].startswith("customer.subscription.")}
    created = about["customer.subscription.created"]
    created["data"]["object"]["status"] = "incomplete"
    updated = created | {"id": "evt_updated", "type": "customer.subscription.updated"}
    for each in (updated, created):
        send(client, each)
        work_off()
    mirror = db.session.scalars(select(Subscription)).one()
    assert (mirror.id, mirror.status, mirror.plan) == (subscription.id, "active", "starter")


def test_failure_9_a_redelivered_webhook_is_neither_stored_nor_processed_again(
    client: FlaskClient, tenant_id: int, sandbox: SandboxServer
) -> None:
    subscribe(tenant_id)
    for _ in range(3):
        deliver_all(client)
        work_off()
    invoice = db.session.scalars(select(Invoice)).one()
    assert fetches(sandbox, f"/v1/invoices/{invoice.id}") == 1
    assert stored() == len(events_of_sandbox())
    assert post(client, events_of_sandbox()[0]).json == {"received": True, "is_new": False}


def test_an_event_of_an_unknown_customer_waits_and_is_processed_once_a_tenant_has_the_customer(
    client: FlaskClient, app: Flask
) -> None:
    set_up_stripe()
    v1 = wiring().stripe_client.v1
    customer = v1.customers.create({"name": "somebody"})
    give_card(wiring().stripe_client, customer.id)
    v1.subscriptions.create({"customer": customer.id, "items": [{"price": price_of("starter")}]})
    deliver_all(client)
    work_off()
    assert states()["waiting"] > 5
    waiting = db.session.scalars(select(StripeEvent).where(StripeEvent.state == "waiting")).all()
    assert {each.customer_id for each in waiting} == {customer.id}
    tenant_id, _ = new_tenant()
    with unit_of_work() as session:
        session.get_one(Tenant, tenant_id).stripe_customer_id = customer.id
    sweep()
    work_off()
    assert "waiting" not in states()
    assert db.session.scalars(select(Subscription)).one().tenant_id == tenant_id
    assert db.session.scalars(select(Invoice)).one().tenant_id == tenant_id


def test_a_customer_that_names_its_tenant_later_frees_what_waits_at_once(client: FlaskClient, tenant_id: int) -> None:
    v1 = wiring().stripe_client.v1
    customer = v1.customers.create({"name": "somebody"})
    give_card(wiring().stripe_client, customer.id)
    v1.subscriptions.create({"customer": customer.id, "items": [{"price": price_of("starter")}]})
    deliver_all(client)
    work_off()
    v1.customers.update(customer.id, {"metadata": {"tenant_id": str(tenant_id)}})
    deliver_all(client)
    work_off()
    assert "waiting" not in states()
    assert db.session.scalars(select(Subscription)).one().tenant_id == tenant_id


def test_an_object_that_fails_holds_up_no_other_and_waits_for_replay_in_the_end(
    client: FlaskClient, tenant_id: int, sandbox: SandboxServer
) -> None:
    subscription = subscribe(tenant_id)
    deliver_all(client)
    sandbox.fail(f"GET /v1/subscriptions/{subscription.id}", "error_500", times=10_000)
    for pause in (*PAUSES, 0):
        sweep()
        work_off()
        sandbox.advance(advance_by=pause * 1.25 + 1)
    assert db.session.scalars(select(Invoice)).one().status == "paid"
    failed = db.session.scalars(select(StripeEvent).where(StripeEvent.state == "failed")).all()
    assert {(each.subject, each.attempts) for each in failed} == {(f"subscription:{subscription.id}", MAX_ATTEMPTS)}
    assert all("ProviderUnavailable" in (each.error or "") for each in failed)
    sandbox.http.delete(f"{sandbox.stripe_base}/_sandbox/faults", timeout=5)
    assert replay_failed_events() == len(failed)
    work_off()
    assert set(states()) <= {"processed", "ignored"}
    assert db.session.scalars(select(Subscription)).one().status == "active"


def test_our_own_fault_in_one_object_is_noted_and_stops_no_other(client: FlaskClient, tenant_id: int) -> None:
    subscribe(tenant_id)
    deliver_all(client)
    with unit_of_work() as session:
        session.connection().exec_driver_sql("ALTER TABLE invoices ADD CONSTRAINT nothing_goes_in CHECK (false)")
    process_stripe_events()
    assert db.session.scalars(select(Subscription)).one().status == "active"
    broken = db.session.scalars(select(StripeEvent).where(StripeEvent.error.is_not(None))).all()
    assert {each.type.split(".")[0] for each in broken} <= {"invoice", "invoice_payment"}
    assert all(each.state == "pending" and "nothing_goes_in" in (each.error or "") for each in broken)


def test_any_event_can_be_processed_again(client: FlaskClient, tenant_id: int) -> None:
    subscribe(tenant_id)
    deliver_all(client)
    work_off()
    with unit_of_work() as session:
        session.execute(update(Invoice).values(status="draft"))
    paid = db.session.scalars(select(StripeEvent.id).where(StripeEvent.type == "invoice.paid")).one()
    replay_event(paid)
    work_off()
    assert db.session.scalars(select(Invoice)).one().status == "paid"


def while_fetching(app: Flask, sandbox: SandboxServer, path: str, then: Callable[[], None]) -> None:
    """Process in another thread; do `then` while it waits for Stripe's answer."""
    sandbox.fail(f"GET {path}", "delay", seconds=1.5)

    def work() -> None:
        with app.app_context():
            process_stripe_events()

    worker = Thread(target=work)
    worker.start()
    waiting = f"{sandbox.stripe_base}/_sandbox/faults"
    wait_until(lambda: sandbox.http.get(waiting, timeout=5).json() == [], "the fetch", 20)
    then()
    worker.join(30)
    assert not worker.is_alive()


def test_an_older_fetch_never_overwrites_a_newer_one(
    app: Flask, client: FlaskClient, tenant_id: int, sandbox: SandboxServer
) -> None:
    subscription = subscribe(tenant_id)
    deliver_all(client)

    def cancel_and_process() -> None:
        wiring().stripe_client.v1.subscriptions.cancel(subscription.id)
        deliver_all(client)
        process_stripe_events()  # the other worker holds it

    while_fetching(app, sandbox, f"/v1/subscriptions/{subscription.id}", cancel_and_process)
    work_off()
    assert db.session.scalars(select(Subscription)).one().status == "canceled"
    assert "pending" not in states()


def test_no_lock_stays_behind(app: Flask, client: FlaskClient, tenant_id: int) -> None:
    subscribe(tenant_id)
    deliver_all(client)
    process_stripe_events()
    held = db.session.connection().exec_driver_sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    assert held.scalar() == 0


def test_a_customer_made_by_us_is_known_before_its_own_event(client: FlaskClient, tenant_id: int) -> None:
    with unit_of_work() as session:
        ensure_customer(session, tenant_id, wiring().billing)
    deliver_all(client)
    work_off()
    assert "waiting" not in states()
