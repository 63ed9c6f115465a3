"""Rate limits like Stripe's, off unless asked for: calls a second, and one meter event at a time for a customer."""

from __future__ import annotations

import threading
import time
from collections import deque

from sandbox.store import Thing

CALLS_A_SECOND = {"sandbox": 25, "live": 100}
METER_EVENTS_A_SECOND = 1_000


class Limits:
    """Counts the calls of the last second, and knows which customer's meter is being written."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, deque[float]] = {"calls": deque(), "meter_events": deque()}
        self._busy: set[str] = set()

    def refusal(self, mode: str | None, path: str) -> Thing | None:
        """The body of a 429 for a call too many."""
        if mode is None:
            return None
        is_meter_event = path == "/v1/billing/meter_events"
        seen = self._seen["meter_events" if is_meter_event else "calls"]
        most = METER_EVENTS_A_SECOND if is_meter_event else CALLS_A_SECOND[mode]
        now = time.monotonic()
        with self._lock:
            while seen and seen[0] <= now - 1:
                seen.popleft()
            if len(seen) >= most:
                return too_many("rate_limit", "Request rate limit exceeded.")
            seen.append(now)
        return None

    def enter(self, owner: str) -> bool:
        """Begin to write a customer's meter; False while another call does."""
        with self._lock:
            if owner in self._busy:
                return False
            self._busy.add(owner)
            return True

    def leave(self, owner: str) -> None:
        """Done with it."""
        with self._lock:
            self._busy.discard(owner)


def too_many(code: str, message: str) -> Thing:
    """The body of a 429."""
    return {"error": {"type": "invalid_request_error", "code": code, "message": message}}
