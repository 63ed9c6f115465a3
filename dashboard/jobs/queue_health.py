"""How the queues are: what waits and since when, who works and on what, what failed, and the scheduler's last tick."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.cron import CronScheduler
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.registry import FailedJobRegistry, StartedJobRegistry
from rq.worker import BaseWorker

from dashboard.billing.errors import NotFound
from dashboard.jobs.queues import QUEUES
from dashboard.wiring import wiring

SHOWN = 50
# Half a minute is the longest that the sweep keeps a queue waiting when all is well.
SLOW_AFTER = timedelta(minutes=2)
# RQ's scheduler says at least once a minute that it lives.
SILENT_AFTER = timedelta(minutes=3)
LONGEST_ERROR = 500
# The line of a traceback that names the exception: its message may have lines of its own.
RAISED = re.compile(r"[\w.]*[A-Z]\w*[a-z]\w*(: |$)")


class QueueDown(Exception):
    """Redis cannot be reached. Nothing is lost: what is to be done stands in the database."""


@dataclass(frozen=True, slots=True)
class QueueView:
    """One queue. `oldest` is how long its first job has waited, None while it is empty."""

    name: str
    depth: int
    oldest: timedelta | None
    started: int
    failed: int

    @property
    def is_slow(self) -> bool:
        """Whether somebody should look whether there are workers enough."""
        return self.oldest is not None and self.oldest > SLOW_AFTER


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker that lives: its queues, and the job it does since when."""

    name: str
    host: str
    queues: str
    state: str
    job: str | None
    job_since: datetime | None
    last_heartbeat: datetime | None
    done: int
    failed: int


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that raised. `error` is the exception."""

    id: str
    queue: str
    call: str
    failed_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """All of it; where Redis is down, `error` says so and the rest is empty."""

    queues: list[QueueView] = field(default_factory=list)
    workers: list[WorkerView] = field(default_factory=list)
    schedulers: int = 0
    last_tick: datetime | None = None
    error: str | None = None

    @property
    def waiting(self) -> int:
        """Jobs that wait, in all queues."""
        return sum(queue.depth for queue in self.queues)

    @property
    def failed(self) -> int:
        """Jobs that failed, in all queues."""
        return sum(queue.failed for queue in self.queues)

    def is_scheduler_silent(self) -> bool:
        """Whether nothing periodic runs any more."""
        return self.last_tick is None or datetime.now(UTC) - self.last_tick > SILENT_AFTER

    @property
    def trouble(self) -> str | None:
        """What is wrong, in a few words."""
        if self.error:
            return "Redis is down"
        if not self.workers:
            return "No worker runs"
        if self.is_scheduler_silent():
            return "The scheduler is silent"
        return "Work piles up" if any(queue.is_slow for queue in self.queues) else None


def look_at_queues() -> QueueHealth:
    """The whole state. Never raises for Redis: that it is down is the state."""
    try:
        with _redis_or_down():
            ticks = [each.last_heartbeat for each in CronScheduler.all(wiring().redis, cleanup=False)]
            return QueueHealth(
                queues=[_view_queue(name) for name in QUEUES],
                workers=[_view_worker(each) for each in Worker.all(wiring().redis)],
                schedulers=len(ticks),
                last_tick=max((tick for tick in ticks if tick), default=None),
            )
    except QueueDown as down:
        return QueueHealth(error=str(down))


def list_failed_jobs() -> list[FailedJob]:
    """The failed jobs of all queues, the latest first.

    Raises `QueueDown`.
    """
    with _redis_or_down():
        connection = wiring().redis
        ids = [
            job_id for name in QUEUES for job_id in _failed(name).get_job_ids(desc=True, end=SHOWN - 1, cleanup=False)
        ]
        jobs = [job for job in Job.fetch_many(ids, connection) if job]
        views = [_view_failed(job) for job in jobs]
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(views, key=lambda job: job.failed_at or oldest, reverse=True)[:SHOWN]


def requeue_job(job_id: str) -> str:
    """Let a worker try a failed job again; answers what it calls.

    Raises `NotFound`, `QueueDown`.
    """
    with _redis_or_down():
        job = _find_failed(job_id)
        call = _call(job)
        try:
            job.requeue()
        except InvalidJobOperation:
            raise NotFound(f"no failed job {job_id}") from None
        return call


def drop_job(job_id: str) -> str:
    """Forget a failed job; answers what it would have called.

    Raises `NotFound`, `QueueDown`.
    """
    with _redis_or_down():
        job = _find_failed(job_id)
        call = _call(job)
        _failed(job.origin).remove(job, delete_job=True)
        return call


@contextmanager
def _redis_or_down() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise QueueDown(f"Redis cannot be reached: {error}") from error


def _failed(queue: str) -> FailedJobRegistry:
    return FailedJobRegistry(queue, connection=wiring().redis)


def _find_failed(job_id: str) -> Job:
    try:
        job = Job.fetch(job_id, connection=wiring().redis)
    except (NoSuchJobError, ValueError):
        raise NotFound(f"no job {job_id}") from None
    if job.origin not in QUEUES or not job.is_failed:
        raise NotFound(f"no failed job {job_id}")
    return job


def _view_queue(name: str) -> QueueView:
    connection = wiring().redis
    queue = Queue(name, connection=connection)
    first = queue.get_job_ids(0, 1)
    jobs = [job for job in Job.fetch_many(first, connection) if job] if first else []
    since = jobs[0].enqueued_at if jobs else None
    return QueueView(
        name=name,
        depth=queue.count,
        oldest=datetime.now(UTC) - since if since else None,
        started=StartedJobRegistry(name, connection=connection).get_job_count(cleanup=False),
        failed=_failed(name).get_job_count(cleanup=False),
    )


def _view_worker(worker: BaseWorker) -> WorkerView:
    try:
        job = worker.get_current_job()
    except NoSuchJobError:
        job = None  # it ended between the two looks
    return WorkerView(
        name=worker.name,
        host=worker.hostname or "",
        queues=", ".join(worker.queue_names()),
        state=str(worker.get_state()),
        job=_call(job) if job else None,
        job_since=job.started_at if job else None,
        last_heartbeat=worker.last_heartbeat,
        done=worker.successful_job_count,
        failed=worker.failed_job_count,
    )


def _view_failed(job: Job) -> FailedJob:
    result = job.latest_result()
    trace = (result.exc_string if result else None) or ""
    raised = [line for line in trace.splitlines() if RAISED.match(line)]
    error = raised[-1] if raised else "No traceback was kept."
    return FailedJob(job.id, job.origin, _call(job), job.ended_at, error[:LONGEST_ERROR])


def _call(job: Job) -> str:
    """`process_stripe_events(12)`: jobs take ids only, so this holds nothing private."""
    try:
        arguments = ", ".join(str(each) for each in job.args or ())
    except Exception:  # a job of another version of the program, whose data cannot be read
        arguments = "…"
    return f"{(job.func_name or '').rpartition('.')[2]}({arguments})"
