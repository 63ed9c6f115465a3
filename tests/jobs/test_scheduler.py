"""Each tick of the schedule is done once, however many schedulers run, and none is left out when one dies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from rq import Queue
from rq.cron import CronJob
from sqlalchemy import select, text, update

from dashboard.database import db
from dashboard.jobs import schedule
from dashboard.jobs.queues import QUEUES, WEBHOOKS
from dashboard.jobs.scheduler import SharedScheduler, claim_tick, last_tick, next_tick
from dashboard.models import ScheduleTick
from dashboard.wiring import unit_of_work, wiring
from embedded.stack import ROOT
from tests.jobs.ticking import tick
from tests.sandbox_server import wait_until
from tests.served import environment_of

MOMENT = datetime(2026, 6, 15, 10, 2, 0, tzinfo=UTC)


def a_scheduler() -> SharedScheduler:
    scheduler = SharedScheduler(wiring().redis, logging_level="WARNING")
    schedule.register(scheduler)
    return scheduler


def enqueued() -> list[str]:
    """The entries whose jobs wait."""
    queues = [Queue(name, connection=wiring().redis) for name in QUEUES]
    return sorted(job.func_name.rpartition(".")[2] for queue in queues for job in queue.jobs)


def ticks() -> list[str]:
    """The ticks whose jobs wait, in the order in which they were enqueued."""
    return [job.meta["tick"] for job in Queue(WEBHOOKS, connection=wiring().redis).jobs]


@pytest.fixture
def processes(app: Flask) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two schedulers."""
    command = [sys.executable, "-c", "from tests.jobs.ticking import main; main()"]
    with ExitStack() as exits:
        found = [
            exits.enter_context(subprocess.Popen(command, cwd=ROOT, env=environment_of(wiring().settings)))
            for _ in range(2)
        ]
        for each in found:
            exits.callback(each.kill)
        yield found


def test_two_schedulers_do_each_tick_once_and_the_other_goes_on_when_one_is_killed(
    processes: list[subprocess.Popen[bytes]],
) -> None:
    for process in processes:
        assert process.poll() is None
        before = len(ticks())
        wait_until(lambda: len(ticks()) >= before + 3, "three ticks")  # noqa: B023 (asked at once)
        process.kill()
        process.wait()
    done = ticks()
    assert len(set(done)) == len(done)
    assert done == sorted(done)


def test_a_second_scheduler_enqueues_nothing_again(app: Flask) -> None:
    a_scheduler().enqueue_jobs()
    first = enqueued()
    assert "sweep" in first
    db.session.remove()
    a_scheduler().enqueue_jobs()
    late = [name for name in enqueued() if enqueued().count(name) > first.count(name)]
    assert set(late) <= {"sweep", "announce_usage_thresholds"}  # a short interval may have passed meanwhile


def test_a_new_installation_makes_up_for_nothing(app: Flask) -> None:
    a_scheduler().enqueue_jobs()
    assert "sync_hourly" not in enqueued()
    assert "read_storage_of_all" not in enqueued()


def test_what_was_missed_while_no_scheduler_ran_is_made_up_once(app: Flask) -> None:
    a_scheduler().enqueue_jobs()
    with unit_of_work() as session:
        session.execute(update(ScheduleTick).values(tick_at=ScheduleTick.tick_at - timedelta(days=3)))
    for _ in range(2):
        a_scheduler().enqueue_jobs()
    assert enqueued().count("sync_hourly") == 1


def test_a_tick_whose_enqueueing_failed_is_still_due(app: Flask) -> None:
    with unit_of_work() as session:
        assert claim_tick(session, "entry", MOMENT, is_due_at_first=True)
        session.rollback()  # the queue was out of reach
    with unit_of_work() as session:
        assert claim_tick(session, "entry", MOMENT, is_due_at_first=True)
    with unit_of_work() as session:
        assert not claim_tick(session, "entry", MOMENT, is_due_at_first=True)
        assert claim_tick(session, "entry", MOMENT + timedelta(seconds=1), is_due_at_first=True)


def test_while_postgresql_is_out_of_reach_the_scheduler_lives_on(app: Flask) -> None:
    with unit_of_work() as session:
        session.execute(text("ALTER TABLE schedule_ticks RENAME TO gone"))
    scheduler = a_scheduler()
    assert scheduler.enqueue_jobs() == []
    assert 0 < scheduler.calculate_sleep_interval() <= 5
    with unit_of_work() as session:
        session.execute(text("ALTER TABLE gone RENAME TO schedule_ticks"))
        assert session.scalars(select(ScheduleTick)).all() == []


@pytest.mark.parametrize(
    ("cron", "interval", "moment", "last", "following"),
    [
        ("2 * * * *", None, MOMENT, MOMENT, MOMENT + timedelta(hours=1)),
        ("2 * * * *", None, MOMENT - timedelta(milliseconds=500), MOMENT - timedelta(hours=1), MOMENT),
        ("2 * * * *", None, MOMENT + timedelta(milliseconds=1), MOMENT, MOMENT + timedelta(hours=1)),
        (None, 15, MOMENT + timedelta(seconds=14.9), MOMENT, MOMENT + timedelta(seconds=15)),
        (None, 15, MOMENT + timedelta(seconds=15), MOMENT + timedelta(seconds=15), MOMENT + timedelta(seconds=30)),
    ],
)
def test_every_scheduler_works_out_the_same_ticks(
    cron: str | None, interval: int | None, moment: datetime, last: datetime, following: datetime
) -> None:
    job = CronJob(WEBHOOKS, tick, cron=cron, interval=interval)
    assert (last_tick(job, moment), next_tick(job, moment)) == (last, following)
