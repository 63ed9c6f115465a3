"""Jobs that raised: what they were, trying one again, dropping one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from redis.exceptions import RedisError
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.registry import FailedJobRegistry

from dashboard.billing.errors import NotFound
from dashboard.jobs.queues import QUEUES
from dashboard.wiring import wiring

SHOWN = 50
LONGEST_ERROR = 500
# The line of a traceback that names the exception: its message may have lines of its own.
RAISED = re.compile(r"[\w.]*[A-Z]\w*[a-z]\w*(: |$)")


class QueueDown(Exception):
    """Redis cannot be reached. Nothing is lost: what is to be done stands in the database."""


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that raised. `error` is the exception."""

    id: str
    queue: str
    call: str
    failed_at: datetime | None
    error: str


@contextmanager
def redis_or_down() -> Iterator[None]:
    """Turn Redis' errors within the block into `QueueDown`."""
    try:
        yield
    except RedisError as error:
        raise QueueDown(f"Redis cannot be reached: {error}") from error


def failed_registry(queue: str) -> FailedJobRegistry:
    """Where RQ keeps a queue's failed jobs."""
    return FailedJobRegistry(queue, connection=wiring().redis)


def call_of(job: Job) -> str:
    """What a job calls: `process_stripe_events(12)`: jobs take ids only, so this holds nothing private."""
    try:
        arguments = ", ".join(str(each) for each in job.args or ())
    except Exception:  # a job of another version of the program, whose data cannot be read
        arguments = "…"
    return f"{(job.func_name or '').rpartition('.')[2]}({arguments})"


def list_failed_jobs() -> list[FailedJob]:
    """The failed jobs of all queues, the latest first.

    Raises `QueueDown`.
    """
    with redis_or_down():
        connection = wiring().redis
        ids = [
            job_id
            for name in QUEUES
            for job_id in failed_registry(name).get_job_ids(desc=True, end=SHOWN - 1, cleanup=False)
        ]
        jobs = [job for job in Job.fetch_many(ids, connection) if job]
        views = [_view(job) for job in jobs]
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(views, key=lambda job: job.failed_at or oldest, reverse=True)[:SHOWN]


def requeue_job(job_id: str) -> str:
    """Let a worker try a failed job again; answers what it calls.

    Raises `NotFound`, `QueueDown`.
    """
    with redis_or_down():
        job = _find(job_id)
        call = call_of(job)
        try:
            job.requeue()
        except InvalidJobOperation:
            raise NotFound(f"no failed job {job_id}") from None
        return call


def drop_job(job_id: str) -> str:
    """Forget a failed job; answers what it would have called.

    Raises `NotFound`, `QueueDown`.
    """
    with redis_or_down():
        job = _find(job_id)
        call = call_of(job)
        failed_registry(job.origin).remove(job, delete_job=True)
        return call


def _find(job_id: str) -> Job:
    try:
        job = Job.fetch(job_id, connection=wiring().redis)
    except (NoSuchJobError, ValueError):
        raise NotFound(f"no job {job_id}") from None
    if job.origin not in QUEUES or not job.is_failed:
        raise NotFound(f"no failed job {job_id}")
    return job


def _view(job: Job) -> FailedJob:
    result = job.latest_result()
    trace = (result.exc_string if result else None) or ""
    raised = [line for line in trace.splitlines() if RAISED.match(line)]
    error = raised[-1] if raised else "No traceback was kept."
    return FailedJob(job.id, job.origin, call_of(job), job.ended_at, error[:LONGEST_ERROR])
