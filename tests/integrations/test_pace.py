"""The pace of meter events: one schedule for all workers, kept by Valkey; slower without it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from redis import Redis

from dashboard.integrations.pace import LATE, SharedPace
from embedded.stack import Stack


@pytest.fixture
def valkey(stack: Stack) -> Iterator[Redis]:
    connection = Redis.from_url(stack.redis_url)
    connection.flushall()
    yield connection
    connection.close()


def taken_by(paces: list[SharedPace], each: int) -> list[float]:
    """The moments at which so many threads were let through, so many times each."""
    moments: list[float] = []

    def work(pace: SharedPace) -> None:
        for _ in range(each):
            pace.take(1)
            moments.append(time.monotonic())

    threads = [threading.Thread(target=work, args=(pace,)) for pace in paces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(moments)


def test_two_workers_together_keep_to_one_rate(valkey: Redis) -> None:
    moments = taken_by([SharedPace(valkey, "together", 200), SharedPace(valkey, "together", 200)], 60)
    assert moments[-1] - moments[0] >= 119 / 200 * 0.9


def test_a_wiped_valkey_only_begins_the_schedule_anew(valkey: Redis) -> None:
    pace = SharedPace(valkey, "wiped", 100)
    first = taken_by([pace], 10)
    valkey.flushall()
    valkey.script_flush()
    second = taken_by([pace], 10)
    # Each of the two schedules begins at most LATE before it was asked for.
    assert second[-1] - first[0] >= 18 / 100 - 2 * LATE - 0.005


def test_without_valkey_a_worker_keeps_to_half_the_rate_by_itself() -> None:
    gone = Redis(port=9, socket_connect_timeout=0.2)
    moments = taken_by([SharedPace(gone, "alone", 400)], 60)
    assert moments[-1] - moments[0] >= 60 / 400 * 1.5


def test_a_hold_holds_every_worker(valkey: Redis) -> None:
    one, other = SharedPace(valkey, "held", 1_000), SharedPace(valkey, "held", 1_000)
    began = time.monotonic()
    holding = threading.Thread(target=one.hold, args=(0.3,))
    holding.start()
    holding.join()
    other.take(1)
    one.take(1)
    assert time.monotonic() - began >= 0.3
