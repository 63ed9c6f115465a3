"""RQ's cron, of which any number may run: each tick belongs to whoever notes it in PostgreSQL first.

RQ's own has no such thing: two of them enqueue everything twice (docs/decisions/0038).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog
from croniter import croniter
from rq.cron import CronJob, CronScheduler
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from dashboard.models import ScheduleTick
from dashboard.wiring import unit_of_work

log = structlog.get_logger()
# How long to wait before PostgreSQL, out of reach, is asked again.
PAUSE = timedelta(seconds=5)


class SharedScheduler(CronScheduler):
    """Enqueues what is due, unless another scheduler did. Killed, it leaves its ticks to the others."""

    def enqueue_jobs(self) -> list[CronJob]:
        """Enqueue what is due and nobody has enqueued.

        Killed between queue and commit, the tick is enqueued once more, by the next that comes: nothing is left out,
        and every job of the schedule may be repeated.
        """
        moment = datetime.now(UTC)
        enqueued = []
        for job in self.get_jobs():
            # Before its first look a cron entry has a next time by RQ's reckoning: what was missed is older than that.
            is_looked_at = job.latest_enqueue_time is not None
            if is_looked_at and job.next_enqueue_time is not None and moment < job.next_enqueue_time:
                continue
            tick = last_tick(job, moment)
            try:
                with unit_of_work() as session:
                    if claim_tick(session, job.name, tick, is_due_at_first=job.interval is not None):
                        job.job_options["meta"] = {"tick": tick.isoformat()}
                        job.enqueue(self.connection)
                        enqueued.append(job)
            except SQLAlchemyError as error:
                log.warning("the schedule cannot be kept now", entry=job.name, error=str(error))
                job.latest_enqueue_time, job.next_enqueue_time = moment, moment + PAUSE
                continue
            job.latest_enqueue_time, job.next_enqueue_time = moment, next_tick(job, moment)
        return enqueued


def last_tick(job: CronJob, moment: datetime) -> datetime:
    """The entry's newest tick at or before `moment`, the same for every scheduler. Cron lines are in UTC."""
    if job.cron:
        ticks = croniter(job.cron, moment)
        ticks.get_next(datetime)
        newest: datetime = ticks.get_prev(datetime)
        return newest
    interval = job.interval or 1
    return datetime.fromtimestamp(moment.timestamp() // interval * interval, UTC)


def next_tick(job: CronJob, moment: datetime) -> datetime:
    """The entry's next tick after `moment`."""
    if job.cron:
        following: datetime = croniter(job.cron, moment).get_next(datetime)
        return following
    return last_tick(job, moment) + timedelta(seconds=job.interval or 1)


def claim_tick(session: Session, name: str, tick: datetime, *, is_due_at_first: bool) -> bool:
    """Take a tick, with all missed before it; False when another has it. The caller enqueues, then commits.

    Whoever comes second waits until the first has committed. An entry without any tick yet is due only if
    `is_due_at_first`: a new installation does not make up for last night.
    """
    first = insert(ScheduleTick).values(name=name, tick_at=tick).on_conflict_do_nothing().returning(ScheduleTick.name)
    if session.scalar(first) is not None:
        return is_due_at_first
    moved = session.execute(
        update(ScheduleTick)
        .where(ScheduleTick.name == name, ScheduleTick.tick_at < tick)
        .values(tick_at=tick)
        .returning(ScheduleTick.name)
    )
    return moved.first() is not None
