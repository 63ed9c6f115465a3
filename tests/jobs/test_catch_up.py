"""What never arrived is found in Stripe's event lists, thin events too; and what is old is pruned."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select

from dashboard.billing.ports.providers import ProviderUnavailable
from dashboard.database import db
from dashboard.jobs.catch_up import catch_up, catch_up_quietly
from dashboard.jobs.webhooks import prune_stripe_events
from dashboard.models import (
    Invoice,
    MeterErrorReport,
    StripeCatchUp,
    StripeEvent,
    Subscription,
)
from dashboard.wiring import now, unit_of_work, wiring
from tests.platform import new_tenant, set_up_stripe, work_off
from tests.sandbox_server import SandboxServer
from tests.stripe_webhooks import (
    deliver_all,
    event,
    post,
    send,
    states,
    stored,
    stored_event,
    subscribe,
)


@pytest.fixture
def tenant_id(app: Flask) -> int:
    set_up_stripe()
    return new_tenant()[0]


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
