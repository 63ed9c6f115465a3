"""The sandbox as the tests run it: a process of its own, reset before each test, its talk written down."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from embedded.stack import Stack
from tests.contracts.contract import check_lines


@dataclass
class SandboxServer:
    """Addresses and controls of a running sandbox."""

    stripe_base: str
    twilio_base: str
    clock_file: Path
    transcript: Path
    checked: int = 0  # bytes of the transcript
    http: requests.Session = field(default_factory=requests.Session)

    @classmethod
    def start(cls, stack: Stack, folder: Path) -> SandboxServer:
        """Start one on free ports and wait until it says where."""
        transcript, clock_file = folder / "transcript.jsonl", folder / "clock.json"
        arguments = ["--data", str(folder / "data"), "--stripe-port", "0", "--twilio-port", "0"]
        arguments += ["--clock-file", str(clock_file), "--transcript", str(transcript)]
        log = stack.data_dir / "logs" / "sandbox.log"
        stack.spawn(
            "sandbox",
            [sys.executable, "-m", "sandbox", *arguments],
            ready=lambda: log.exists() and "ready " in log.read_text(),
        )
        line = next(line for line in log.read_text().splitlines() if line.startswith("ready "))
        words = dict(word.split("=", 1) for word in line.split()[1:])
        return cls(words["stripe"], words["twilio"], clock_file, transcript)

    def reset(self) -> None:
        """Forget everything; the clock is real time again."""
        self.post("/_sandbox/reset", {})
        self.http.delete(f"{self.twilio_base}/_sandbox/callback_faults", timeout=30)

    def advance(self, **how: float) -> None:
        """Let time pass: `advance_by` seconds, or `advance_to` a Unix time."""
        self.post("/_sandbox/clock", how)

    def fail(self, match: str, kind: str, times: int = 1, seconds: float | None = None) -> None:
        """Make the next calls that match fail."""
        self.post("/_sandbox/faults", {"match": match, "kind": kind, "times": times, "seconds": seconds})

    def fail_callbacks(self, match: str, kind: str, times: int = 1, seconds: float | None = None) -> None:
        """Let Twilio's next callbacks that match ("text delivered") fail."""
        wanted = {"match": match, "kind": kind, "times": times, "seconds": seconds}
        self.post("/_sandbox/callback_faults", wanted, base=self.twilio_base)

    def post(self, path: str, body: dict[str, Any], base: str | None = None) -> dict[str, Any]:
        """Use a control, of the Stripe side unless `base` is another."""
        answer = self.http.post(f"{base or self.stripe_base}{path}", json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def pending(self) -> int:
        """Webhooks and callbacks on their way."""
        bases = (self.stripe_base, self.twilio_base)
        return sum(self.http.get(f"{base}/_sandbox/deliveries", timeout=5).json()["pending"] for base in bases)

    def breaches(self) -> list[str]:
        """What passed since the last look and is not as the SDK says."""
        if not self.transcript.exists():
            return []
        with self.transcript.open("rb") as lines:
            lines.seek(self.checked)
            fresh = lines.read()
        fresh = fresh[: fresh.rfind(b"\n") + 1]
        self.checked += len(fresh)
        return check_lines(fresh.decode().splitlines())


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Ask again until it holds; fail with what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)
