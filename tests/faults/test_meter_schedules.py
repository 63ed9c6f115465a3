"""Random schedules of usage, corrections, syncs that fail, batches that Stripe loses, doubles or refuses, the end of a
period, reconciliation and repair: each ends in ledger = meter event summaries = invoice lines.

Many tenants live one schedule each in the same world, so that a month passes once for all of them.
`METER_SCHEDULES=10000 pytest tests/faults/test_meter_schedules.py` tries that many, `METER_SEED=1000000` others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from dashboard.app import create_app
from dashboard.billing.meter_errors import store_meter_errors
from dashboard.billing.ports_events import MeterErrorFacts
from dashboard.database import db
from dashboard.jobs.reconciliation import reconcile_period, repair_period
from dashboard.models import (
    BillingPeriod,
    BillingProposal,
    CatalogMeter,
    MeterEvent,
    ReconciliationCheck,
    ReconciliationFinding,
)
from dashboard.wiring import now, unit_of_work
from embedded.stack import Stack
from tests.conftest import settings_for
from tests.faults.meter_world import TYPES, Life, World, killed_at, sync_all
from tests.platform import set_up_stripe
from tests.sandbox_server import SandboxServer

ROUNDS = 6
SCHEDULES = int(os.environ.get("METER_SCHEDULES", "200"))
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
    lives = [Life.begin(world) for _ in many]
    end = max(life.end for life in lives)
    moments = [now() + 3 * HOUR, now() + 9 * DAY + 5 * HOUR, end - 50 * MINUTE, end + 20 * MINUTE]
    for stage, moment in enumerate(moments):
        world.advance_to(moment)
        for life, schedule in zip(lives, many, strict=True):
            if moment > end:
                life.mirror()
            for step in schedule[stage]:
                take(life, step)
    settle(lives)
    for life in lives:
        assert_meter_is_ledger(life)
    world.advance_to(end + 3 * HOUR)
    billed = []
    for life, schedule in zip(lives, many, strict=True):
        life.mirror_invoice()
        billed.append(life.invoiced())
        assert_invoice_is_ledger(life, billed[-1])
        for step in schedule[-1]:
            take(life, step)
    settle(lives, most=1)
    for life, invoiced in zip(lives, billed, strict=True):
        assert_proposals_explain_the_rest(life, invoiced)
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
            reconcile(life)


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


def periods(life: Life) -> list[tuple[datetime, datetime]]:
    """The billing periods there are."""
    with unit_of_work() as session:
        rows = session.execute(
            select(BillingPeriod.starts_at, BillingPeriod.ends_at)
            .where(BillingPeriod.tenant_id == life.tenant_id, BillingPeriod.starts_at <= now())
            .order_by(BillingPeriod.starts_at)
        ).all()
    return [(start.astimezone(UTC), stop.astimezone(UTC)) for start, stop in rows]


def reconcile(life: Life, most: int = 2) -> int:
    """Compare and repair the first periods of a tenant."""
    return sum(repair_period(life.tenant_id, start, None, "test") for start, _ in periods(life)[:most])


def settle(lives: list[Life], most: int = 2) -> None:
    """Sync, reconcile and repair the first periods until there is nothing to do; a second look then finds nothing."""
    unsettled = lives
    for _ in range(ROUNDS):
        sync_all()
        unsettled = [life for life in unsettled if reconcile(life, most)]
        if not unsettled:
            break
    some = lives[:: max(1, len(lives) // 5)]
    before = [findings(life) for life in some]
    for life in some:
        for start, _ in periods(life)[:most]:
            reconcile_period(life.tenant_id, start)
    assert [findings(life) for life in some] == before
    with unit_of_work() as session:
        row = ReconciliationFinding
        found = session.execute(
            select(row.tenant_id, row.key, row.repair, row.expected, row.found).where(row.state == "open")
        )
        assert found.all() == []


def findings(life: Life) -> list[tuple[str, str, int]]:
    """Everything that was ever found."""
    with unit_of_work() as session:
        row = ReconciliationFinding
        found = session.execute(
            select(row.key, row.state, row.times).where(row.tenant_id == life.tenant_id).order_by(row.id)
        )
        return [(each.key, each.state, each.times) for each in found]


def assert_meter_is_ledger(life: Life) -> None:
    """Ledger = summaries, in every period."""
    for start, stop in periods(life):
        for usage_type in TYPES:
            where = (life.tenant_id, usage_type, start)
            assert (*where, life.at_stripe(usage_type, start, stop)) == (*where, life.ledger(usage_type, start, stop))


def assert_invoice_is_ledger(life: Life, invoiced: dict[str, int]) -> None:
    """Ledger = invoice lines of the period that ended."""
    used = {usage_type: life.ledger(usage_type, life.start, life.end) for usage_type in TYPES}
    assert (life.tenant_id, invoiced) == (life.tenant_id, used)


def assert_proposals_explain_the_rest(life: Life, invoiced: dict[str, int]) -> None:
    """What came after the invoice was final is proposed, once; every check says so."""
    with unit_of_work() as session:
        for usage_type in TYPES:
            rows = session.execute(
                select(BillingProposal.kind, func.sum(BillingProposal.quantity))
                .where(BillingProposal.tenant_id == life.tenant_id, BillingProposal.usage_type == usage_type)
                .group_by(BillingProposal.kind)
            ).all()
            proposed = {kind: int(quantity) for kind, quantity in rows}
            extra = proposed.get("invoice_item", 0) - proposed.get("credit_note", 0)
            expected = life.ledger(usage_type, life.start, life.end)
            assert (life.tenant_id, usage_type, invoiced[usage_type] + extra) == (
                life.tenant_id,
                usage_type,
                expected,
            )
        checks = session.scalars(
            select(ReconciliationCheck).where(
                ReconciliationCheck.tenant_id == life.tenant_id, ReconciliationCheck.period_start == life.start
            )
        ).all()
        assert {(check.usage_type, check.state) for check in checks if check.usage_type in TYPES} == {
            (usage_type, "equal") for usage_type in TYPES
        }
