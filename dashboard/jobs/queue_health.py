"""How the queues are: what waits and since when, who works and on what, how much failed, the scheduler's last tick."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rq import Queue, Worker
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.registry import StartedJobRegistry
from rq.worker import BaseWorker

from dashboard.jobs.failed_jobs import QueueDown, call_of, failed_registry, redis_or_down
from dashboard.jobs.queues import QUEUES
from dashboard.wiring import wiring

# Half a minute is the longest that the sweep keeps a queue waiting when all is well.
SLOW_AFTER = timedelta(minutes=2)
# RQ's scheduler says at least once a minute that it lives.
SILENT_AFTER = timedelta(minutes=3)


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
    # Imported here: a web process holds the calendar of cron, 1 MB, for this page of staff's alone.
    from rq.cron import CronScheduler

    try:
        with redis_or_down():
            ticks = [each.last_heartbeat for each in CronScheduler.all(wiring().redis, cleanup=False)]
            return QueueHealth(
                queues=_view_queues(),
                workers=[_view_worker(each) for each in Worker.all(wiring().redis)],
                schedulers=len(ticks),
                last_tick=max((tick for tick in ticks if tick), default=None),
            )
    except QueueDown as down:
        return QueueHealth(error=str(down))


def _view_queues() -> list[QueueView]:
    """All queues in one round trip, two where something waits: RQ itself would ask four times for each."""
    connection = wiring().redis
    with connection.pipeline(transaction=False) as asked:
        for name in QUEUES:
            key = Queue(name, connection=connection).key
            asked.lrange(key, 0, 0)
            asked.llen(key)
            asked.zcard(StartedJobRegistry(name, connection=connection).key)
            asked.zcard(failed_registry(name).key)
        answers = asked.execute()
    return [_view_queue(name, *answers[4 * n : 4 * n + 4]) for n, name in enumerate(QUEUES)]


def _view_queue(name: str, first: list[bytes], depth: int, started: int, failed: int) -> QueueView:
    jobs = Job.fetch_many([each.decode() for each in first], wiring().redis) if first else []
    since = jobs[0].enqueued_at if jobs and jobs[0] else None
    oldest = datetime.now(UTC) - since if since else None
    return QueueView(name=name, depth=depth, oldest=oldest, started=started, failed=failed)


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
        job=call_of(job) if job else None,
        job_since=job.started_at if job else None,
        last_heartbeat=worker.last_heartbeat,
        done=worker.successful_job_count,
        failed=worker.failed_job_count,
    )
