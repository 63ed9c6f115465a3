"""Whatever happens to a sync, Stripe's totals are the ledger's afterwards, and no unit was counted twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from dashboard.billing.ports.meters import EventToSend, MeterSender
from dashboard.database import db
from dashboard.jobs.meter_mending import resend_refused
from dashboard.jobs.webhooks import process_stripe_events
from dashboard.wiring import now, unit_of_work, wiring
from embedded.stack import ROOT
from tests.faults.metered import (
    at_stripe,
    events_of,
    in_ledger,
    metered_tenant,
    set_up_meters,
    sync,
    use,
)
from tests.sandbox_server import SandboxServer
from tests.served import environment_of
from tests.stripe_webhooks import post

EVENTS = "POST /v1/billing/meter_events"


@pytest.fixture
def meters(app: Flask) -> dict[str, str]:
    """The meters at Stripe."""
    return set_up_meters()


@pytest.fixture
def tenants(meters: dict[str, str]) -> list[int]:
    """Two tenants that used something, of every kind and in two hours."""
    found = [metered_tenant(), metered_tenant()]
    for tenant_id in found:
        use(tenant_id, 7)
        use(tenant_id, 4, ago=timedelta(hours=2))
        use(tenant_id, 3, "AI_MESSAGE_GENERATED")
        use(tenant_id, 900, "STORAGE_USED_MB")
    return found


def assert_equal(tenants: Sequence[int], meters: dict[str, str]) -> None:
    for tenant_id in tenants:
        assert at_stripe(tenant_id, meters) == in_ledger(tenant_id)


def test_a_worker_killed_at_every_step_loses_and_doubles_nothing(
    app: Flask, meters: dict[str, str], sandbox: SandboxServer
) -> None:
    tenant_id = metered_tenant()
    child = subprocess.run(
        [sys.executable, "-m", "tests.faults.killed_sync", str(tenant_id)],
        env=environment_of(wiring().settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert child.returncode == 0, child.stderr[-2_000:]
    assert int(child.stdout.split()[-1]) > 15, child.stderr[-2_000:]
    assert sync().state == "complete"
    assert_equal([tenant_id], meters)
    assert {event.state for event in events_of(tenant_id)} <= {"sent", "canceled"}


@pytest.mark.parametrize(
    ("kind", "times", "is_through"),
    [
        ("rate_limit", 3, True),
        ("error_500", 2, True),
        ("error_500", 30, False),
        ("drop_after", 2, True),
        ("drop_after", 30, False),
        ("drop_before", 30, False),
    ],
)
def test_an_answer_that_fails_or_never_comes_changes_no_total(
    tenants: list[int], meters: dict[str, str], sandbox: SandboxServer, kind: str, times: int, is_through: bool
) -> None:
    sandbox.fail(EVENTS, kind, times=times)
    assert (sync().state == "complete") is is_through
    sandbox.http.delete(f"{sandbox.stripe_base}/_sandbox/faults", timeout=5)
    assert sync().state == "complete"
    assert_equal(tenants, meters)


def test_a_deactivated_meter_stops_nobody_else_and_is_mended(tenants: list[int], meters: dict[str, str]) -> None:
    v1 = wiring().stripe_client.v1
    v1.billing.meters.deactivate(meters["AI_MESSAGE_GENERATED"])
    run = sync()
    assert (run.state, run.rejected) == ("complete", 2)
    v1.billing.meters.reactivate(meters["AI_MESSAGE_GENERATED"])
    assert resend_refused("tests", "archived_meter") == 2
    sync()
    assert_equal(tenants, meters)


def test_a_customer_deleted_at_stripe_is_reported_later_and_its_usage_goes_to_the_next_one(
    tenants: list[int], meters: dict[str, str], sandbox: SandboxServer, client: FlaskClient
) -> None:
    sandbox.post("/_sandbox/settings", {"asynchronous_meter_events": True})
    v1 = wiring().stripe_client.v1
    gone = tenants[0]
    with unit_of_work() as session:
        customer = session.execute(text("SELECT stripe_customer_id FROM tenants WHERE id = :id"), {"id": gone}).scalar()
    v1.customers.delete(str(customer))
    sync()
    assert_equal(tenants[1:], meters)
    thin = {"object": "v2.core.event", "livemode": False, "created": now().isoformat()}
    told = wiring().stripe_client.v2.core.events.list().data
    # Twice, as Stripe may: the second time there is nothing to reject any more.
    for each in [*told, *told]:
        assert post(client, {**thin, "id": each.id, "type": each.type}).status_code == 200
    process_stripe_events()
    assert {event.error_code for event in events_of(gone)} == {"meter_event_customer_not_found"}
    with unit_of_work() as session:
        fresh = v1.customers.create({"name": "Again"})
        session.execute(
            text("UPDATE tenants SET stripe_customer_id = :new WHERE id = :id"), {"new": fresh.id, "id": gone}
        )
    resend_refused("tests", None)
    sync()
    assert_equal(tenants, meters)


class Trip:
    """A meter sender before whose first call something happens."""

    def __init__(self, sender: MeterSender, what: Callable[[], object]) -> None:
        self._sender, self._waiting = sender, [what]

    @property
    def most(self) -> int:
        return self._sender.most

    def send(self, events: Sequence[EventToSend]) -> list[bool]:
        if self._waiting:
            self._waiting.pop()()
        return self._sender.send(events)

    def cancel(self, event_name: str, identifier: str) -> None:
        self._sender.cancel(event_name, identifier)


def test_postgresql_cut_off_while_stripe_is_called(app: Flask, tenants: list[int], meters: dict[str, str]) -> None:
    url = db.engine.url.render_as_string(hide_password=False)

    def cut() -> None:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    parts = wiring()
    app.extensions["countinghouse"] = replace(parts, meters=Trip(parts.meters, cut))
    with suppress(DBAPIError):
        sync()
    app.extensions["countinghouse"] = parts
    assert {event.state for event in events_of(tenants[0])} == {"pending"}
    run = sync()
    assert (run.state, run.duplicates > 0) == ("complete", True)
    assert_equal(tenants, meters)


def test_valkey_wiped_in_the_middle_costs_nothing(app: Flask, tenants: list[int], meters: dict[str, str]) -> None:
    parts = wiring()
    app.extensions["countinghouse"] = replace(parts, meters=Trip(parts.meters, parts.redis.flushall))
    assert sync().state == "complete"
    assert_equal(tenants, meters)


@pytest.mark.parametrize("age", [timedelta(hours=1), timedelta(hours=25)])
def test_a_correction_reaches_stripe_by_adjustment_or_as_a_negative_delta(
    meters: dict[str, str], sandbox: SandboxServer, age: timedelta
) -> None:
    tenant_id = metered_tenant()
    wrong = use(tenant_id, 9)
    use(tenant_id, 2)
    sync()
    sandbox.advance(advance_by=age.total_seconds())
    use(tenant_id, -9, corrects_id=wrong)
    sandbox.fail("POST /v1/billing/meter_event_adjustments", "drop_after", times=1)
    sync()
    sync()
    assert_equal([tenant_id], meters)
    assert at_stripe(tenant_id, meters) == {"SMS_SENT": 2}
    young = age < timedelta(days=1)
    assert [event.state for event in events_of(tenant_id)] == (["canceled", "sent"] if young else ["sent", "sent"])
