"""Putting a job into its queue, after the commit. A lost queue loses nothing: `schedule.sweep` finds the work again."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from redis.exceptions import RedisError
from rq import Queue

from dashboard.wiring import wiring

WEBHOOKS = "webhooks"
METERING = "metering"
OUTGOING = "outgoing"
QUEUES = (WEBHOOKS, METERING, OUTGOING)

log = structlog.get_logger()


def enqueue(queue: str, job: Callable[..., object], *ids: object, timeout: int = 60) -> bool:
    """Hand a job to a worker. False when the queue is out of reach: the sweeper will do it.

    `timeout` is whole seconds.
    """
    try:
        # A failed job is kept for a day: staff read its error in our own tables, not in the queue.
        Queue(queue, connection=wiring().redis).enqueue(
            job, *ids, job_timeout=timeout, result_ttl=0, failure_ttl=86_400
        )
    except RedisError as error:
        log.warning("queue out of reach", queue=queue, job=job.__name__, ids=ids, error=str(error))
        return False
    return True
