"""The meter sync through the worker: ledger, meter and invoice line agree to the unit."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from dashboard.billing.invoices.invoice_reports import find_invoice
from dashboard.database import db
from dashboard.jobs.metering import start_sync
from dashboard.models import Invoice, MeterEvent, Subscription, SyncRun, Tenant
from dashboard.wiring import now, wiring
from tests.factories import usage_body
from tests.platform import bearer, buy, deliver_webhooks, log_in, new_tenant, set_up_stripe, work_off
from tests.sandbox_server import SandboxServer

URL = "/api/billing/usage/events"


@pytest.fixture
def subscribed(app: Flask, client: FlaskClient) -> tuple[int, str]:
    """A tenant on Starter, and its key."""
    set_up_stripe()
    tenant_id, key = new_tenant()
    buy(log_in(app, tenant_id), tenant_id)
    deliver_webhooks(client)
    return tenant_id, key


def record(client: FlaskClient, key: str, quantity: int, usage_type: str = "SMS_SENT") -> None:
    body = usage_body(quantity=quantity, usage_type=usage_type)
    assert client.post(URL, json=body, headers=bearer(key)).status_code == 201


def sync() -> SyncRun:
    run_id = start_sync("tests")
    work_off()
    db.session.rollback()
    return db.session.get_one(SyncRun, run_id, populate_existing=True)


def at_stripe(tenant_id: int) -> int:
    """What Stripe's meter of sent texts counts for the tenant."""
    v1 = wiring().stripe_client.v1
    meter = next(each for each in v1.billing.meters.list().data if each.event_name == "sms_sent")
    minute = int(now().timestamp()) // 60 * 60
    customer = db.session.get_one(Tenant, tenant_id).stripe_customer_id or ""
    span = {"customer": customer, "start_time": minute - 86_400 * 40, "end_time": minute + 86_400}
    rows = v1.billing.meters.event_summaries.list(meter.id, span)  # type: ignore[arg-type]
    return int(sum(row.aggregated_value for row in rows.data))


def test_usage_reaches_stripe_once(client: FlaskClient, subscribed: tuple[int, str]) -> None:
    tenant_id, key = subscribed
    record(client, key, 7)
    run = sync()
    assert (run.state, run.claimed, run.sent, run.rejected) == ("complete", 1, 1, 0)
    assert at_stripe(tenant_id) == 7
    again = sync()
    assert (again.state, again.claimed, again.sent) == ("complete", 0, 0)
    record(client, key, 5)
    sync()
    assert at_stripe(tenant_id) == 12


def test_a_crash_after_stripe_took_an_event_does_not_count_it_twice(
    client: FlaskClient, subscribed: tuple[int, str], sandbox: SandboxServer
) -> None:
    tenant_id, key = subscribed
    record(client, key, 7)
    # The answer is lost, and so are the SDK's own two retries' connections: for us it never arrived.
    sandbox.fail("POST /v1/billing/meter_events", "drop_after", times=3)
    failed = sync()
    assert failed.state == "failed"
    assert "Stripe" in (failed.error or "")
    run = sync()
    assert (run.state, run.sent, run.duplicates) == ("complete", 1, 1)
    assert at_stripe(tenant_id) == 7


def test_an_outage_loses_nothing(client: FlaskClient, subscribed: tuple[int, str], sandbox: SandboxServer) -> None:
    tenant_id, key = subscribed
    record(client, key, 7)
    sandbox.fail("POST /v1/billing/meter_events", "error_500", times=3)
    assert sync().state == "failed"
    assert db.session.scalar(select(func.count()).where(MeterEvent.state == "pending")) == 1
    assert sync().state == "complete"
    assert at_stripe(tenant_id) == 7


def test_a_refused_event_is_shown_to_staff_and_stops_nothing_else(
    client: FlaskClient, subscribed: tuple[int, str], app: Flask
) -> None:
    tenant_id, key = subscribed
    v1 = wiring().stripe_client.v1
    meter = next(each for each in v1.billing.meters.list().data if each.event_name == "ai_message_generated")
    v1.billing.meters.deactivate(meter.id)
    record(client, key, 7)
    record(client, key, 1, "AI_MESSAGE_GENERATED")
    run = sync()
    assert (run.state, run.sent, run.rejected) == ("complete", 1, 1)
    assert at_stripe(tenant_id) == 7
    assert "Needs a look" in log_in(app, staff=True).get("/staff/syncs").text


def test_only_one_run_is_live_at_a_time(subscribed: tuple[int, str]) -> None:
    assert start_sync("one") == start_sync("two")
    work_off()


def test_ledger_meter_and_invoice_line_are_equal_after_a_month(
    client: FlaskClient, subscribed: tuple[int, str], sandbox: SandboxServer
) -> None:
    tenant_id, key = subscribed
    for quantity in (100, 31):
        record(client, key, quantity)
    record(client, key, 900, "STORAGE_USED_MB")
    subscription = db.session.scalars(select(Subscription)).one()
    assert subscription.current_period_end is not None
    end = subscription.current_period_end.timestamp()
    sandbox.advance(advance_to=end - 60)
    record(client, key, 3)
    sandbox.advance(advance_to=end + 60)
    record(client, key, 50)
    sync()
    sandbox.advance(advance_to=end + 4_000)
    deliver_webhooks(client)
    invoice = db.session.scalars(select(Invoice).where(Invoice.billing_reason == "subscription_cycle")).one()
    detail = find_invoice(db.session(), tenant_id, invoice.id)
    metered = {group.usage_type.name: group for group in detail.groups if group.usage_type}
    assert (metered["SMS_SENT"].quantity, metered["SMS_SENT"].ledger_quantity) == (134, 134)
    assert metered["SMS_SENT"].amount == 82  # 34 segments beyond 100 at 2.4 cents, rounded half up
    assert all(group.matches for group in metered.values())
    assert metered["STORAGE_USED_MB"].quantity == 900
    assert invoice.status == "paid"
