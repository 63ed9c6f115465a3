"""Failures on demand, of API calls and of webhooks. Each is bounded in number and time, and can be cleared."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from sandbox.store import Thing

CALL_KINDS = (
    "delay",
    "error_500",
    "rate_limit",
    "timeout_before",
    "timeout_after",
    "half_open",
    "drop_before",
    "drop_after",
)
WEBHOOK_KINDS = ("delay", "duplicate", "reorder", "drop")
LONGEST = 600.0
# Seconds without an answer, or of delay, where none are given.
DEFAULT_SECONDS = {"delay": 1.0, "timeout_before": 60.0, "timeout_after": 60.0, "half_open": LONGEST, "reorder": 5.0}


class ConnectionDropped(ConnectionError):
    """Close the connection without an answer: the server takes it as the client having gone."""


@dataclass(slots=True)
class Fault:
    """One failure asked for: what it hits, how, how often still, and for how many seconds."""

    match: str
    kind: str
    left: int
    seconds: float
    cleared: threading.Event


class Faults:
    """Failures on demand: the next calls (or webhooks) that match fail in the way asked for."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()
        self._cleared = threading.Event()

    def plan(self, match: str, kind: str, times: int, seconds: float | None = None) -> None:
        """The next `times` calls whose "METHOD path" (webhooks: whose event type) begins with `match` fail."""
        length = min(DEFAULT_SECONDS.get(kind, 0.0) if seconds is None else seconds, LONGEST)
        with self._lock:
            self._waiting.append(Fault(match, kind, times, length, self._cleared))

    def clear(self) -> None:
        """No more failures; connections held open are let go."""
        with self._lock:
            self._waiting.clear()
            self._cleared.set()
            self._cleared = threading.Event()

    def waiting(self) -> list[Thing]:
        """What is still to fail."""
        with self._lock:
            return [{"match": each.match, "kind": each.kind, "times": each.left} for each in self._waiting if each.left]

    def take(self, call: str) -> Fault | None:
        """The failure of this call, if one is due."""
        with self._lock:
            for fault in self._waiting:
                if fault.left and call.startswith(fault.match):
                    fault.left -= 1
                    return fault
        return None

    def before(self, fault: Fault | None) -> tuple[int, Thing] | None:
        """An answer instead of the call, a wait, or a connection that ends (now or after its time) without it."""
        kind = fault.kind if fault else None
        if fault and kind == "delay":
            fault.cleared.wait(fault.seconds)
        if kind == "error_500":
            return 500, {"error": {"type": "api_error", "message": "An error on the sandbox's side, as asked for."}}
        if kind == "rate_limit":
            return 429, {
                "error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many requests."}
            }
        if fault and kind in {"timeout_before", "half_open"}:
            fault.cleared.wait(fault.seconds)
            raise ConnectionDropped
        if kind == "drop_before":
            raise ConnectionDropped
        return None

    def after(self, fault: Fault | None) -> None:
        """The call was performed; its answer is lost all the same."""
        if fault and fault.kind == "timeout_after":
            fault.cleared.wait(fault.seconds)
            raise ConnectionDropped
        if fault and fault.kind == "drop_after":
            raise ConnectionDropped
