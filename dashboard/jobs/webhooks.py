"""Work off stored Stripe events in batches, a few seconds a job, so that other queues come in between."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import structlog
from redis.exceptions import RedisError

from dashboard.billing.inbox import webhook_inbox, webhook_queue
from dashboard.database import db
from dashboard.integrations.stripe.batch import Tools, settle_due_events
from dashboard.jobs.billing_states import follow_stale_states
from dashboard.jobs.outgoing import enqueue_due_webhooks
from dashboard.jobs.queues import WEBHOOKS, enqueue
from dashboard.wiring import unit_of_work, wiring

log = structlog.get_logger()
BATCH = 200
FETCHES_AT_ONCE = 4
LONGEST = 5.0
# A job that waits has this; whoever stores an event then need not queue another. It ends by itself, because a queue
# may be lost.
ASKED = "countinghouse:webhooks-asked"
ASKED_SECONDS = 30
TIMEOUT = 600


def ask_for_processing() -> None:
    """Have a worker look at what was stored before this call, unless a job that has not begun yet will."""
    try:
        is_first = wiring().redis.set(ASKED, 1, nx=True, ex=ASKED_SECONDS)
    except RedisError as error:
        log.warning("queue out of reach", error=str(error))
        return
    if is_first:
        enqueue(WEBHOOKS, process_stripe_events, timeout=TIMEOUT)


def process_stripe_events() -> None:
    """Work off what is due, for some seconds; what is left then is another job's work."""
    parts = wiring()
    # Before the first look: an event that is stored from now on asks for a job of its own.
    parts.redis.delete(ASKED)
    settled, began = 0, time.monotonic()
    with db.engine.connect() as connection, ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
        tools = Tools(parts.billing, parts.pins, parts.clock.now, pool)
        while time.monotonic() - began < LONGEST:
            done = settle_due_events(connection, tools, limit=BATCH) or _take_up_waiting()
            if not done:
                break
            settled += done
        else:
            ask_for_processing()
    if settled:
        log.info("stripe events settled", events=settled, seconds=round(time.monotonic() - began, 3))
        follow_stale_states()
        enqueue_due_webhooks()  # a sync may have announced something


def _take_up_waiting() -> int:
    """Events whose customer has appeared meanwhile, perhaps by an event of this very round."""
    with unit_of_work() as session:
        return webhook_queue.release_waiting(session, wiring().clock.now())


def process_if_due() -> None:
    """The safety net: what a crash left between commit and queue, what is to be tried again, and who has appeared."""
    with unit_of_work() as session:
        moment = wiring().clock.now()
        webhook_queue.release_waiting(session, moment)
        is_due = webhook_queue.has_due_events(session, moment)
    if is_due:
        ask_for_processing()


def prune_stripe_events() -> int:
    """Empty the payloads that are older than the retention; answers how many."""
    parts = wiring()
    before = parts.clock.now() - timedelta(days=parts.settings.stripe_event_retention_days)
    total = 0
    while True:
        with unit_of_work() as session:
            pruned = webhook_inbox.prune_payloads(session, before)
        total += pruned
        if not pruned:
            return total
