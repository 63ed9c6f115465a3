"""Random schedules of usage, corrections, syncs that fail, batches that Stripe loses, doubles or refuses, the end of a
period, reconciliation and repair: each ends in ledger = meter event summaries = invoice lines.

Many tenants live one schedule each in the same world, so that a month passes once for all of them.
`METER_SCHEDULES=10000 pytest tests/faults/test_meter_schedules.py` tries that many, `METER_SEED=1000000` others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from dashboard.app import create_app
from dashboard.billing.metering.meter_errors import store_meter_errors
from dashboard.billing.ports.events import MeterErrorFacts
from dashboard.database import db
from dashboard.models import CatalogMeter, MeterEvent
from dashboard.wiring import now, unit_of_work
from embedded.stack import Stack
from tests.conftest import settings_for
from tests.faults.meter_lives import TYPES, Life, begin_lives, mirror_invoices, mirror_subscriptions
from tests.faults.meter_proofs import (
    assert_invoices_are_ledgers,
    assert_meters_are_ledgers,
    assert_proposals_explain_the_rest,
    periods,
    reconcile,
    settle,
)
from tests.faults.meter_world import World, killed_at
from tests.platform import set_up_stripe
from tests.sandbox_server import SandboxServer

SCHEDULES = int(os.environ.get("METER_SCHEDULES", "500"))
# So many in one test, for the sake of its time-out and of tests that run side by side.
TENANTS = 25
# The same schedules each time, so that a failure is a change's doing; another number tries others.
SEED = int(os.environ.get("METER_SEED", "0"))
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HTTP_FAULTS = {
    "429": ("rate_limit", 1),
    "500": ("error_500", 1),
    "outage": ("error_500", 40),
    "reset before it was taken": ("drop_before", 1),
    "no answer although it was taken": ("drop_after", 40),
}

steps = st.one_of(
    st.tuples(st.just("record"), st.sampled_from(TYPES), st.integers(0, 300), st.integers(0, 240)),
    st.tuples(st.just("record"), st.sampled_from(TYPES), st.integers(0, 300), st.integers(0, 240)),
    st.tuples(st.just("correct"), st.integers(0, 9)),
    st.tuples(st.just("sync"), st.just("none")),
    st.tuples(st.just("sync"), st.sampled_from(sorted(HTTP_FAULTS))),
    st.tuples(st.just("die"), st.integers(1, 8), st.booleans()),
    st.tuples(st.sampled_from(["lose", "double", "report", "deliver again"]), st.integers(0, 9)),
    st.tuples(st.just("reconcile")),
)
Schedule = tuple[list[tuple[object, ...]], ...]
# What one tenant goes through: on the first day, on another one, in the last hours, in the hour of the draft, and after
# the invoice was final.
schedules = st.tuples(*(st.lists(steps, max_size=size) for size in (4, 4, 3, 3, 2)))


@pytest.fixture(scope="module")
def world(
    stack: Stack, sandbox_server: SandboxServer, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """An application and a sandbox for all worlds, one after the other."""
    base, clock_file = World.start_sandbox(stack, tmp_path_factory.mktemp("fault-sandbox"))
    url = stack.create_database("meter_schedules", template=template)
    more = {"stripe_api_base": base, "clock_file": clock_file, "reconciliation_delay": 0}
    app = create_app(settings_for(stack, sandbox_server, url, **more))
    with app.app_context():
        set_up_stripe()
        with unit_of_work() as session:  # meters that no schedule uses would only be asked for
            session.execute(delete(CatalogMeter).where(CatalogMeter.usage_type.not_in(TYPES)))
        world = World(app, base)
        world.hurry()
        yield world
        db.session.remove()
        db.engine.dispose()
    stack.drop_database("meter_schedules")


@pytest.mark.parametrize("part", range(max(1, SCHEDULES // TENANTS)))
def test_every_schedule_ends_in_ledger_equal_to_summaries_equal_to_invoice_lines(world: World, part: int) -> None:
    @seed(SEED + part)
    @settings(
        max_examples=2,  # the first one is empty
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(many=st.lists(schedules, min_size=TENANTS, max_size=TENANTS))
    def live(many: list[Schedule]) -> None:
        if any(stage for schedule in many for stage in schedule):
            live_through(world, many)

    live()


def live_through(world: World, many: list[Schedule]) -> None:
    """Tenants that live their schedules side by side, from the first day to what comes after the final invoice."""
    lives = begin_lives(world, len(many))
    end = max(life.end for life in lives)
    moments = [now() + 3 * HOUR, now() + 9 * DAY + 5 * HOUR, end - 50 * MINUTE, end + 20 * MINUTE]
    for stage, moment in enumerate(moments):
        world.advance_to(moment)
        if moment > end:
            mirror_subscriptions(lives)
        for life, schedule in zip(lives, many, strict=True):
            for step in schedule[stage]:
                take(life, step)
    settle(lives)
    assert_meters_are_ledgers(lives)
    world.advance_to(end + 3 * HOUR)
    mirror_invoices(lives)
    billed = assert_invoices_are_ledgers(lives)
    for life, schedule in zip(lives, many, strict=True):
        for step in schedule[-1]:
            take(life, step)
    settle(lives, most=1)
    assert_proposals_explain_the_rest(lives, billed)
    for life in lives:
        life.leave()


def take(life: Life, step: tuple[object, ...]) -> None:
    """One step of a schedule."""
    match step:
        case ("record", str(usage_type), int(quantity), int(minutes)):
            life.record(usage_type, quantity, minutes * MINUTE)
        case ("correct", int(which)):
            life.correct(which)
        case ("sync", str(fault)):
            if fault in HTTP_FAULTS:
                life.world.fail(*HTTP_FAULTS[fault])
            life.sync()
            if fault in HTTP_FAULTS:
                life.world.forgive()
        case ("die", int(commit), bool(after)):
            with killed_at(commit, after=after):
                life.sync()
        case (str(what), int(which)):
            batch = life.batch(which)
            if batch is not None:
                corrupt(life, what, batch)
        case ("reconcile",):
            reconcile(life, periods([life])[life.tenant_id][:2])


def corrupt(life: Life, what: str, batch: MeterEvent) -> None:
    """Something happens to one batch behind our back."""
    match what:
        case "lose":
            life.lose(batch)
        case "double":
            life.deliver(batch, f"{batch.identifier}-twice")
        case "deliver again":
            life.deliver(batch, batch.identifier)
        case "report":
            life.lose(batch)
            with unit_of_work() as session:
                store_meter_errors(session, report_of(batch), now())


def report_of(batch: MeterEvent) -> MeterErrorFacts:
    """Stripe's error report of a batch that it had taken."""
    sample = {"message": "The customer is gone.", "identifier": batch.identifier}
    return MeterErrorFacts(
        event_id=f"evt_{batch.identifier}",
        meter_id=None,
        summary="There is 1 invalid event",
        error_count=1,
        errors=({"code": "meter_event_customer_not_found", "count": 1, "samples": [sample]},),
        window_start=now(),
        window_end=now(),
    )
