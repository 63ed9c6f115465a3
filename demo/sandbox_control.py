"""The sandbox's own controls: its clock, and whether its webhooks have all arrived."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import requests


class SandboxControl:
    """Speaks to the control addresses of a running sandbox."""

    def __init__(self, stripe_base: str, twilio_base: str) -> None:
        self._stripe = stripe_base
        self._twilio = twilio_base
        self._http = requests.Session()

    def now(self) -> datetime:
        """The sandbox's time, aware UTC."""
        return datetime.fromtimestamp(self._get(f"{self._stripe}/_sandbox/clock")["now"], UTC)

    def start_at(self, moment: datetime) -> None:
        """Set the clock of a sandbox that has no subscription yet."""
        self._move({"set_to": moment.timestamp()})

    def advance_to(self, moment: datetime) -> None:
        """Let time pass, with all that falls due in it."""
        self._move({"advance_to": moment.timestamp()})

    def advance_to_real_time(self) -> None:
        """Catch up with the wall clock."""
        self._move({"advance_to": time.time()})

    def is_idle(self) -> bool:
        """Whether every webhook and callback was delivered."""
        return not any(self._get(f"{base}/_sandbox/deliveries")["pending"] for base in (self._stripe, self._twilio))

    def _move(self, body: dict[str, float]) -> None:
        answer = self._http.post(f"{self._stripe}/_sandbox/clock", json=body, timeout=60)
        if answer.status_code != 200:
            raise RuntimeError(f"the sandbox clock did not move: {answer.text[:300]}")

    def _get(self, url: str) -> dict[str, Any]:
        answer = self._http.get(url, timeout=20)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Ask again until it holds.

    Raises `TimeoutError` that says what was waited for.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.02)
