"""Runs of the meter sync: of some tenants and meters, two at once, canceled, killed, followed on the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.billing.errors import InvalidInput, NotNow
from dashboard.billing.metering import sync_runs
from dashboard.billing.metering.sync_views import SyncRunView, find_run, list_runs
from dashboard.billing.metering.sync_waiting import list_waiting
from dashboard.database import db
from dashboard.jobs.metering import start_sync, sync_meters
from dashboard.jobs.schedule import sweep
from dashboard.models import MeterEvent, Tenant
from dashboard.wiring import now, unit_of_work, wiring
from embedded.stack import ROOT
from tests.factories import make_period, make_tenant, record
from tests.platform import run_command, set_up_stripe, work_off
from tests.sandbox_server import SandboxServer, wait_until
from tests.served import environment_of


def furnish(*quantities: int, usage_types: tuple[str, ...] = ("SMS_SENT", "AI_MESSAGE_GENERATED")) -> list[int]:
    """Tenants that used so much of each type, with customers at Stripe."""
    found = []
    for quantity in quantities:
        with unit_of_work() as session:
            customer = wiring().stripe_client.v1.customers.create({"name": "Tenant"}).id
            tenant = make_tenant(session, customer=customer, now=now())
            make_period(session, tenant, now().replace(day=1, hour=0), now().replace(year=now().year + 1))
            for usage_type in usage_types:
                record(session, tenant, now=now(), usage_type=usage_type, quantity=quantity)
            found.append(tenant.id)
    return found


@pytest.fixture
def tenants(app: Flask, sandbox: SandboxServer) -> list[int]:
    """Three tenants with two meters' usage each."""
    set_up_stripe()
    return furnish(3, 5, 7)


def run_of(run_id: int) -> SyncRunView:
    with unit_of_work() as session:
        return find_run(session, run_id)


def sent() -> set[tuple[int, str]]:
    """Whose events of which type Stripe has."""
    db.session.rollback()
    rows = db.session.execute(select(MeterEvent.tenant_id, MeterEvent.usage_type).where(MeterEvent.state == "sent"))
    return {(row.tenant_id, row.usage_type) for row in rows}


def at_stripe() -> int:
    """Everything that the meter of sent texts counts."""
    v1 = wiring().stripe_client.v1
    meter = next(each for each in v1.billing.meters.list().data if each.event_name == "sms_sent")
    minute = int(now().timestamp()) // 60 * 60
    total = 0
    for customer in db.session.scalars(select(Tenant.stripe_customer_id).where(Tenant.stripe_customer_id.is_not(None))):
        span = {"customer": customer, "start_time": minute - 86_400, "end_time": minute + 86_400}
        rows = v1.billing.meters.event_summaries.list(meter.id, span)  # type: ignore[arg-type]
        total += int(sum(row.aggregated_value for row in rows.data))
    return total


EVENTS = "POST /v1/billing/meter_events"


@contextmanager
def stripe_hesitates(sandbox: SandboxServer) -> Iterator[None]:
    """Every call waits until the block is over: what sends is under way meanwhile."""
    sandbox.fail(EVENTS, "delay", times=1_000, seconds=60)
    try:
        yield
    finally:
        sandbox.http.delete(f"{sandbox.stripe_base}/_sandbox/faults", timeout=10)


@contextmanager
def working(app: Flask, run_id: int) -> Iterator[threading.Thread]:
    """Another worker does the run; it has ended after the block."""

    def work() -> None:
        with app.app_context():
            sync_meters(run_id)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: run_of(run_id).sending_at is not None, "the worker to send")
    yield thread
    thread.join(60)
    assert not thread.is_alive()


@contextmanager
def command_line(*more: str) -> Iterator[subprocess.Popen[str]]:
    """`flask usage sync` as a process of its own, killed at the end if it still runs."""
    argv = [sys.executable, "-m", "flask", "--app", "wsgi", "usage", "sync", *more]
    environment = environment_of(wiring().settings)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(argv, cwd=ROOT, env=environment, text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def runs() -> list[SyncRunView]:
    with unit_of_work() as session:
        return list_runs(session).runs


def is_sending() -> bool:
    return any(run.state == "running" and run.sending_at is not None for run in runs())


def is_closed() -> bool:
    """Whether the sweep finds that the only run has lost its worker."""
    sweep()
    return not is_sending()


def test_a_run_of_one_tenant_and_one_type_leaves_the_rest(tenants: list[int]) -> None:
    run_id = start_sync("tests", tenants[0], ["SMS_SENT"])
    work_off()
    run = run_of(run_id)
    assert (run.state, run.claimed, run.to_send, run.sent) == ("complete", 1, 1, 1)
    assert run.scope_label.endswith(", SMS sent")
    assert sent() == {(tenants[0], "SMS_SENT")}
    of_type = start_sync("tests", usage_types=["AI_MESSAGE_GENERATED"])
    work_off()
    assert (run_of(of_type).sent, len(sent())) == (3, 4)
    start_sync("tests")
    work_off()
    assert at_stripe() == 3 + 5 + 7


def test_each_scope_has_one_live_run(tenants: list[int]) -> None:
    scopes = [(None, None), (tenants[0], None), (tenants[1], None), (None, ["SMS_SENT"]), (tenants[0], ["SMS_SENT"])]
    first = [start_sync("one", *scope) for scope in scopes]
    assert len(set(first)) == len(scopes)
    assert [start_sync("two", *scope) for scope in scopes] == first
    work_off()
    assert {run_of(run_id).state for run_id in first} == {"complete"}
    assert at_stripe() == 3 + 5 + 7


@pytest.mark.parametrize("names", [[], "SMS_SENT", ["CALL_MADE"], ["nonsense"], [1], [None]])
def test_usage_types_without_a_meter_are_refused_by_name(names: object) -> None:
    with pytest.raises(InvalidInput, match=r"usage_types: must be a list of usage types that have a meter: .*SMS_SENT"):
        sync_runs.read_usage_types(names)


def test_all_types_in_any_order_are_the_scope_of_all() -> None:
    every = ["STORAGE_USED_MB", "SMS_SENT", "SMS_RECEIVED", "CALL_DURATION_SECONDS", "AI_VOICE_GENERATED"]
    assert sync_runs.read_usage_types([*every, "AI_MESSAGE_GENERATED"]) is None
    assert sync_runs.read_usage_types(["SMS_SENT", "AI_MESSAGE_GENERATED", "SMS_SENT"]) == [
        "AI_MESSAGE_GENERATED",
        "SMS_SENT",
    ]


def test_two_runs_at_once_send_everything_once(app: Flask, tenants: list[int], sandbox: SandboxServer) -> None:
    of_all, of_one = start_sync("tests"), start_sync("tests", tenants[0])
    with ExitStack() as exits:
        hesitation = exits.enter_context(ExitStack())
        hesitation.enter_context(stripe_hesitates(sandbox))
        exits.enter_context(working(app, of_all))
        hesitation.close()
        sync_meters(of_one)
    assert {run_of(of_all).state, run_of(of_one).state} == {"complete"}
    assert at_stripe() == 3 + 5 + 7
    assert run_of(of_all).sent + run_of(of_one).sent == 6


def test_a_canceled_run_ends_after_the_chunk_in_hand_and_the_next_sends_the_rest(
    app: Flask, tenants: list[int], sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.jobs.meter_sending.TENANTS", 1)
    monkeypatch.setattr("dashboard.jobs.meter_sending.AT_ONCE", 1)
    run_id = start_sync("tests")
    with ExitStack() as exits:
        hesitation = exits.enter_context(ExitStack())
        hesitation.enter_context(stripe_hesitates(sandbox))
        exits.enter_context(working(app, run_id))
        with unit_of_work() as session:
            sync_runs.cancel_run(session, run_id, canceled_by="ada@tests.example", now=now())
        assert run_of(run_id).state_label == "Stopping"
        hesitation.close()
    run = run_of(run_id)
    assert (run.state, run.canceled_by, run.claimed, run.sent) == ("canceled", "ada@tests.example", 6, 2)
    with unit_of_work() as session, pytest.raises(NotNow, match="has ended"):
        sync_runs.cancel_run(session, run_id, canceled_by="ada", now=now())
    start_sync("tests")
    work_off()
    assert at_stripe() == 3 + 5 + 7


def test_a_run_that_still_waits_is_canceled_at_once(tenants: list[int]) -> None:
    run_id = start_sync("tests")
    with unit_of_work() as session:
        sync_runs.cancel_run(session, run_id, canceled_by="ada", now=now())
    work_off()
    run = run_of(run_id)
    assert (run.state, run.claimed, sent()) == ("canceled", 0, set())


def test_a_run_whose_worker_is_killed_is_closed_and_the_next_goes_on(
    tenants: list[int], sandbox: SandboxServer
) -> None:
    with stripe_hesitates(sandbox), command_line() as process:
        wait_until(is_sending, "the command to send")
        sweep()
        assert is_sending()
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_until(is_closed, "the run to be closed")
    lost = runs()[0]
    assert (lost.state, lost.error) == ("failed", sync_runs.LOST)
    run_id = start_sync("tests")
    work_off()
    assert run_of(run_id).state == "complete"
    assert at_stripe() == 3 + 5 + 7


def test_ctrl_c_cancels_the_run_of_the_command_line(tenants: list[int], sandbox: SandboxServer) -> None:
    with command_line() as process:
        with stripe_hesitates(sandbox):
            wait_until(is_sending, "the command to send")
            os.kill(process.pid, signal.SIGINT)
            wait_until(lambda: runs()[0].is_stopping, "the run to be canceled")
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 3
    assert "ending after the events in hand" in output
    assert runs()[0].state == "canceled"


def test_the_command_does_the_work_itself_and_says_what_came_of_it(app: Flask, tenants: list[int]) -> None:
    foreseen = run_command(app, "usage", "sync", "--dry-run", "--type", "SMS_SENT")
    assert "sms_sent: 3 hours to claim, 0 meter events claimed before to send; 15 segments" in foreseen
    assert runs() == []
    assert db.session.scalars(select(MeterEvent)).all() == []
    printed = run_command(app, "usage", "sync", "--tenant", str(tenants[2]))
    assert "claimed 2; accepted 2 (0 known before), refused 0" in printed
    assert sent() == {(tenants[2], "SMS_SENT"), (tenants[2], "AI_MESSAGE_GENERATED")}
    assert "complete" in run_command(app, "usage", "sync")
    assert "nothing waits" in run_command(app, "usage", "sync", "--dry-run")
    assert at_stripe() == 3 + 5 + 7
    work_off()  # nothing was left in the queue for a worker


def test_the_command_follows_a_run_that_a_worker_has(app: Flask, tenants: list[int], sandbox: SandboxServer) -> None:
    run_id = start_sync("a worker")
    sandbox.fail(EVENTS, "delay", times=6, seconds=0.5)
    with working(app, run_id):
        printed = run_command(app, "usage", "sync")
    assert f"sync {run_id}, started by a worker, is under way" in printed
    assert f"sync {run_id}, All tenants: complete" in printed


@pytest.mark.parametrize(
    ("arguments", "said"), [(("--tenant", "999"), "no tenant 999"), (("--type", "X"), "X is none")]
)
def test_the_command_says_what_it_cannot_do(app: Flask, arguments: tuple[str, ...], said: str) -> None:
    assert said in run_command(app, "usage", "sync", *arguments, code=2)


def test_what_waits_is_told_by_type(tenants: list[int]) -> None:
    with unit_of_work() as session:
        found = list_waiting(session, now(), tenant_id=tenants[1])
    assert [(each.usage_type.name, each.hours, each.events, each.quantity) for each in found] == [
        ("SMS_SENT", 1, 0, 5),
        ("AI_MESSAGE_GENERATED", 1, 0, 5),
    ]
