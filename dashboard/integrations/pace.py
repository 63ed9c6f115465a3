"""How fast meter events may follow each other, over all threads and workers: a schedule of slots, kept in Valkey.

Each worker takes the next few slots of the common schedule at once and uses them at their times. The schedule is one
number, the time of the next free slot; losing it costs nothing. While Valkey is out of reach a worker keeps to half the
rate by itself.
"""

from __future__ import annotations

import threading
import time

import structlog
from redis import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()

# Seconds of slots that a worker takes at once: each taking is a round trip to Valkey.
AHEAD = 0.02
# Slots that lie further back than this are lost: who was late must not send more in the next second than it may.
LATE = 0.01
WITHOUT_VALKEY_FOR = 5.0

# KEYS[1]: time of the next free slot in microseconds. ARGV: how many slots, microseconds of one, microseconds to hold.
# Answers how far from now the first of them is, by Valkey's clock, which all workers share.
_RESERVE = """
local now = redis.call('TIME')
local at = now[1] * 1000000 + now[2]
local free = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), at - tonumber(ARGV[4]), 0)
if tonumber(ARGV[3]) > 0 then free = math.max(free, at + tonumber(ARGV[3])) end
local after = free + ARGV[1] * ARGV[2]
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - at) / 1000) + 60000)
return string.format('%.0f', free - at)
"""


class SharedPace:
    """The `Pace` of `billing.ports_meters`: at most `rate` events a second, whoever sends them."""

    def __init__(self, redis: Redis, name: str, rate: float) -> None:
        self._key, self._slot, self._rate = f"pace:{name}", 1.0 / rate, rate
        self._script = redis.register_script(_RESERVE)
        self._lock = threading.Lock()
        self._next, self._left = 0.0, 0
        self._alone_until = 0.0

    def take(self, count: int) -> None:
        """Wait until `count` more events may be sent."""
        with self._lock:
            if self._left < count or time.monotonic() - self._next > LATE:
                self._reserve(max(count, round(self._rate * AHEAD)))
            at = self._next
            self._next += count * self._slot
            self._left -= count
        self.wait(at - time.monotonic())

    def hold(self, seconds: float) -> None:
        """Let nobody send for so long."""
        with self._lock:
            self._reserve(0, hold=seconds)
        self.wait(seconds)

    def wait(self, seconds: float) -> None:
        """Sleep."""
        if seconds > 0:
            time.sleep(seconds)

    def _reserve(self, count: int, hold: float = 0.0) -> None:
        now = time.monotonic()
        slot = self._slot
        if now >= self._alone_until:
            try:
                micros = [count, round(slot * 1e6, 3), round(hold * 1e6), round(LATE * 1e6)]
                ahead = float(self._script(keys=[self._key], args=micros)) / 1e6
            except RedisError as error:
                log.warning("pace kept alone: valkey out of reach", error=str(error))
                self._alone_until = now + WITHOUT_VALKEY_FOR
            else:
                self._next, self._left = now + ahead, count
                return
        # Every slot twice as long: another worker may be alone as well.
        first = max(self._next, now + hold)
        self._next, self._left = first + count * slot, count
