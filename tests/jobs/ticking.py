"""A scheduler as a process of its own, with one entry that is due every second."""

from __future__ import annotations

from dashboard.app import create_app
from dashboard.jobs.queues import WEBHOOKS
from dashboard.jobs.scheduler import SharedScheduler
from dashboard.wiring import wiring


def tick() -> None:
    """What is due every second."""


def main() -> None:
    """Schedule until killed."""
    with create_app(serving=True).app_context():
        scheduler = SharedScheduler(wiring().redis, logging_level="WARNING")
        scheduler.register(tick, WEBHOOKS, interval=1)
        scheduler.start()
