"""Stored events on their way into our tables: one fetch an object, in any order, again when it fails, and caught up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Thread

import pytest
import stripe
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select, update

from dashboard.billing.customers import ensure_customer
from dashboard.billing.ports import ProviderUnavailable
from dashboard.billing.subscriptions import live_subscription
from dashboard.billing.webhook_queue import MAX_ATTEMPTS, PAUSES
from dashboard.database import db
from dashboard.jobs.catch_up import catch_up, catch_up_quietly
from dashboard.jobs.replay import replay_event, replay_failed_events
from dashboard.jobs.schedule import sweep
from dashboard.jobs.webhooks import process_stripe_events, prune_stripe_events
from dashboard.models import (
    CatalogPrice,
    Invoice,
    MeterErrorReport,
    StripeCatchUp,
    StripeEvent,
    Subscription,
    Tenant,
)
from dashboard.wiring import now, unit_of_work, wiring
from tests.platform import new_tenant, set_up_stripe, work_off
from tests.sandbox.shop import FAILS_LATER, VISA, give_card
from tests.sandbox_server import SandboxServer, wait_until
from tests.stripe_webhooks import event, events_of_sandbox, post, send, states, stored, stored_event


def fetches(sandbox: SandboxServer, path: str) -> int:
    """How often the sandbox was asked for it."""
    return sandbox.transcript.read_text().count(f'"method": "GET", "path": "{path}"')


def subscribe(tenant_id: int, plan: str = "starter", card: str = VISA) -> stripe.Subscription:
    """The tenant's subscription, made at Stripe without a word to us."""
    v1 = wiring().stripe_client.v1
    customer = v1.customers.create({"metadata": {"tenant_id": str(tenant_id)}})
    give_card(wiring().stripe_client, customer.id, card)
    return v1.subscriptions.create({"customer": customer.id, "items": [{"price": price_of(plan)}]})


def price_of(plan: str) -> str:
    wanted = select(CatalogPrice.price_id).where(CatalogPrice.plan == plan, CatalogPrice.usage_type.is_(None))
    return db.session.scalars(wanted.where(CatalogPrice.active, CatalogPrice.interval == "monthly")).one()


def deliver_all(client: FlaskClient) -> None:
    for each in events_of_sandbox():
        assert send(client, each) == 200


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


def test_failure_10_webhooks_lost_during_downtime_are_found_and_processed(
    client: FlaskClient, tenant_id: int, sandbox: SandboxServer
) -> None:
    catch_up()
    subscription = subscribe(tenant_id)
    sandbox.advance(advance_by=5 * 86_400)  # Stripe has given up
    found = catch_up()
    assert found > 5
    work_off()
    assert db.session.scalars(select(Subscription)).one().id == subscription.id
    assert db.session.scalars(select(Invoice)).one().status == "paid"
    assert set(db.session.scalars(select(StripeEvent.source))) == {"catch-up"}
    assert catch_up() == 0
    deliver_all(client)  # late after all
    assert "pending" not in states()


def test_a_look_begins_where_the_last_one_ended_unless_it_is_told_otherwise(
    tenant_id: int, sandbox: SandboxServer
) -> None:
    subscribe(tenant_id)
    found = catch_up()
    sandbox.advance(advance_by=7_200)
    assert catch_up() == 0
    with unit_of_work() as session:
        session.execute(delete(StripeEvent))
    catch_up()
    assert stored() == 0
    assert catch_up(now() - timedelta(days=300)) >= found


def test_a_look_that_fails_keeps_its_place(tenant_id: int, sandbox: SandboxServer) -> None:
    subscribe(tenant_id)
    sandbox.fail("GET /v1/events", "error_500", times=9)
    with pytest.raises(ProviderUnavailable):
        catch_up()
    catch_up_quietly()
    assert db.session.scalars(select(StripeCatchUp)).all() == []
    sandbox.http.delete(f"{sandbox.stripe_base}/_sandbox/faults", timeout=5)
    assert catch_up() > 0


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


def test_a_refund_and_a_dispute_lead_to_the_invoice_that_was_paid(
    client: FlaskClient, tenant_id: int, sandbox: SandboxServer
) -> None:
    subscribe(tenant_id)
    deliver_all(client)
    work_off()
    v1 = wiring().stripe_client.v1
    payment = v1.payment_intents.list().data[0]
    v1.refunds.create({"payment_intent": payment.id, "amount": 500})
    invoice = db.session.scalars(select(Invoice)).one()
    before = fetches(sandbox, f"/v1/invoices/{invoice.id}")
    deliver_all(client)
    work_off()
    db.session.rollback()
    refunded = db.session.scalars(
        select(StripeEvent).where(StripeEvent.type.in_(["charge.refunded", "refund.created"]))
    )
    assert {each.state for each in refunded} == {"processed"}
    assert fetches(sandbox, f"/v1/invoices/{invoice.id}") == before + 1


def test_a_payment_without_an_invoice_is_ignored(client: FlaskClient, app: Flask) -> None:
    send(client, event("charge.refunded", "ch_none", about={"payment_intent": "pi_none"}))
    send(client, event("refund.failed", "re_none", id="evt_2", about={"charge": "ch_none", "payment_intent": None}))
    work_off()
    assert states() == {"ignored": 2}


def test_a_price_deleted_at_stripe_is_sold_no_more_and_its_subscribers_keep_their_plan(
    client: FlaskClient, tenant_id: int
) -> None:
    subscribe(tenant_id)
    deliver_all(client)
    work_off()
    gone = price_of("starter")
    with unit_of_work() as session:
        session.add(
            CatalogPrice(
                price_id="price_gone",
                product_id="prod_1",
                plan="legacy",
                interval="yearly",
                currency="usd",
                active=True,
            )
        )
    send(client, event("price.deleted", "price_gone"))
    wiring().stripe_client.v1.prices.update(gone, {"active": False})
    deliver_all(client)
    work_off()
    sold = db.session.scalars(select(CatalogPrice.price_id).where(CatalogPrice.active)).all()
    assert not {"price_gone", gone} & set(sold)
    assert live_subscription(db.session(), tenant_id).plan == "starter"  # type: ignore[union-attr]


def test_a_second_subscription_of_one_tenant_is_mirrored_and_the_newer_one_gives_the_plan(
    client: FlaskClient, tenant_id: int, sandbox: SandboxServer
) -> None:
    first = subscribe(tenant_id)
    sandbox.advance(advance_by=60)
    v1 = wiring().stripe_client.v1
    second = v1.subscriptions.create({"customer": str(first.customer), "items": [{"price": price_of("professional")}]})
    for each in reversed(events_of_sandbox()):
        send(client, each)
    work_off()
    assert set(db.session.scalars(select(Subscription.id))) == {first.id, second.id}
    live = live_subscription(db.session(), tenant_id)
    assert live is not None
    assert (live.id, live.plan) == (second.id, "professional")


def test_a_customer_made_by_us_is_known_before_its_own_event(client: FlaskClient, tenant_id: int) -> None:
    with unit_of_work() as session:
        ensure_customer(session, tenant_id, wiring().billing)
    deliver_all(client)
    work_off()
    assert "waiting" not in states()


def test_meter_errors_are_fetched_stored_once_and_their_events_listed(
    client: FlaskClient, tenant_id: int, sandbox: SandboxServer
) -> None:
    sandbox.post("/_sandbox/settings", {"asynchronous_meter_events": True})
    v1 = wiring().stripe_client.v1
    payload = {"stripe_customer_id": "cus_nobody", "value": "3"}
    v1.billing.meter_events.create({"event_name": "sms_sent", "payload": payload, "identifier": "ours:1"})
    v1.billing.meter_events.create({"event_name": "no_such_meter", "payload": payload, "identifier": "ours:2"})
    assert catch_up() >= 2
    work_off()
    reports = {each.errors[0]["code"]: each for each in db.session.scalars(select(MeterErrorReport))}
    report = reports["meter_event_customer_not_found"]
    assert report.errors[0]["samples"][0]["identifier"] == "ours:1"
    assert (report.error_count, report.meter_id is None) == (1, False)
    assert reports["no_meter"].meter_id is None
    thin = {"id": report.event_id, "object": "v2.core.event", "created": "2026-06-15T12:00:00Z", "livemode": False}
    assert post(client, {**thin, "type": "v1.billing.meter.error_report_triggered"}).json["is_new"] is False


def test_payloads_go_after_their_retention_and_a_late_repeat_is_still_known(
    client: FlaskClient, app: Flask, sandbox: SandboxServer
) -> None:
    send(client, event("payment_link.created"))
    sandbox.advance(advance_by=89 * 86_400)
    send(client, event("payment_link.created", id="evt_2"))
    assert prune_stripe_events() == 0
    sandbox.advance(advance_by=2 * 86_400)
    assert prune_stripe_events() == 1
    old = stored_event("evt_1")
    assert (old.payload, old.state, old.type) == (None, "ignored", "payment_link.created")
    assert stored_event("evt_2").payload is not None
    assert post(client, event("payment_link.created")).json["is_new"] is False


def test_a_failed_first_payment_is_mirrored_as_it_is(client: FlaskClient, tenant_id: int) -> None:
    subscribe(tenant_id, card=FAILS_LATER)
    deliver_all(client)
    work_off()
    assert db.session.scalars(select(Subscription)).one().status == "incomplete"
    assert db.session.scalars(select(Invoice)).one().status == "open"
