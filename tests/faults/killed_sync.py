"""`python -m tests.faults.killed_sync TENANT`: syncs that are killed (SIGKILL), each a step further than the last.

A step is a commit, or a call to Stripe that was answered. Every sync is a process of its own that records usage first
and goes on from what the killed one before it left. Prints how many were killed before one got through.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from flask import Flask
from sqlalchemy import event

from dashboard.app import create_app
from dashboard.billing.ports.meters import EventToSend, MeterSender
from dashboard.database import db
from dashboard.wiring import wiring
from tests.faults import metered

MOST = 200


class Fuse:
    """Kills this process at its nth step."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def burn(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Watched:
    """A meter sender with a step after each answer."""

    def __init__(self, sender: MeterSender, fuse: Fuse) -> None:
        self._sender, self._fuse = sender, fuse

    @property
    def most(self) -> int:
        return self._sender.most

    def send(self, events: Sequence[EventToSend]) -> list[bool]:
        answer = self._sender.send(events)
        self._fuse.burn()
        return answer

    def cancel(self, event_name: str, identifier: str) -> None:
        self._sender.cancel(event_name, identifier)
        self._fuse.burn()


def sync_until(app: Flask, step: int, tenant_id: int) -> None:
    """Record usage, correct what was sent before, and sync; killed at this step."""
    with app.app_context():
        wrong = metered.use(tenant_id, 5, ago=timedelta(hours=2))
        metered.use(tenant_id, step, "STORAGE_USED_MB")
        metered.use(tenant_id, 3, "AI_MESSAGE_GENERATED", ago=timedelta(hours=step % 4))
        if step % 2:
            metered.use(tenant_id, -5, corrects_id=wrong)
            metered.use(tenant_id, -3, corrects_id=metered.use(tenant_id, 4, ago=timedelta(hours=3)))
        fuse = Fuse(step)
        app.extensions["countinghouse"] = replace(wiring(), meters=Watched(wiring().meters, fuse))
        event.listen(db.engine, "commit", fuse.burn)
        metered.sync()


def main() -> None:
    """Step by step, until one sync has fewer steps than it was given."""
    tenant_id = int(sys.argv[1])
    app = create_app()  # connects to nothing yet, so the processes share nothing
    for step in range(1, MOST):
        child = os.fork()
        if child == 0:
            sync_until(app, step, tenant_id)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            print(step - 1 if os.WEXITSTATUS(status) == 0 else -1)
            return
    print(-1)


if __name__ == "__main__":
    main()
