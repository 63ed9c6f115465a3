"""Usage counts exactly once: many clients at once, repeats, and a web server that is killed in the middle."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import requests
from flask import Flask
from sqlalchemy import func, select

from dashboard.billing.ledger.rollups import verify_rollups
from dashboard.database import db
from dashboard.models import UsageEvent, UsageRollup
from dashboard.wiring import wiring
from tests.factories import usage_body
from tests.platform import bearer, new_tenant
from tests.served import ServedApp

EVENTS = 10_000
CLIENTS = 8
KILLS = 3
# Not API_REQUEST: the server counts the calls that carry these events.
TYPES = ("SMS_SENT", "CONTACT_CREATED")
PATH = "/api/billing/usage/events"
ATTEMPTS = 400


class Sender(threading.Thread):
    """Sends all events in an order of its own, in batches of any size, some twice, until each was acknowledged."""

    def __init__(self, number: int, base: str, key: str, events: list[dict[str, Any]], progress: Progress) -> None:
        super().__init__()
        self.random = random.Random(number)
        self.base, self.headers, self.progress = base, bearer(key), progress
        self.events = events.copy()
        self.random.shuffle(self.events)
        self.acknowledged = 0
        self.new = 0
        self.trouble: str | None = None

    def run(self) -> None:
        """Work through the list; whatever goes wrong is told at the end."""
        try:
            place = 0
            while place < len(self.events):
                size = self.random.choice((1, 1, 7, 100, 400, 1_000))
                batch = self.events[place : place + size]
                for _ in range(self.random.choice((1, 1, 2))):
                    self.send(batch)
                place += size
                self.acknowledged += len(batch)
                self.progress.note(len(batch))
        except Exception as error:
            self.trouble = repr(error)

    def send(self, batch: list[dict[str, Any]]) -> None:
        """Send a batch again and again until it is acknowledged, as a service does."""
        body: Any = batch[0] if len(batch) == 1 else {"events": batch}
        for _ in range(ATTEMPTS):
            self.progress.up.wait(60)
            try:
                answer = requests.post(f"{self.base}{PATH}", json=body, headers=self.headers, timeout=60)
            except requests.RequestException:
                continue
            if answer.status_code in {200, 201}:
                return
            raise AssertionError(f"{answer.status_code}: {answer.text[:300]}")
        raise AssertionError(f"not acknowledged in {ATTEMPTS} attempts")


class Progress:
    """How much was acknowledged, and whether the server is up."""

    def __init__(self) -> None:
        self.up = threading.Event()
        self.up.set()
        self._count = 0
        self._changed = threading.Condition()

    def note(self, count: int) -> None:
        """Add to what was acknowledged."""
        with self._changed:
            self._count += count
            self._changed.notify_all()

    def wait_for(self, count: int, senders: list[Sender]) -> None:
        """Until so much was acknowledged, or nobody sends any more."""
        with self._changed:
            while self._count < count and any(sender.is_alive() for sender in senders):
                self._changed.wait(0.2)


def test_the_same_events_from_eight_clients_count_once_while_the_server_is_killed(app: Flask, tmp_path: Path) -> None:
    tenant_id, key = new_tenant()
    events = [usage_body(quantity=n % 7 + 1, usage_type=TYPES[n % 2]) for n in range(EVENTS)]
    settings = wiring().settings
    progress = Progress()
    with ServedApp(settings, tmp_path) as server:
        senders = [Sender(n, server.base, key, events, progress) for n in range(CLIENTS)]
        for sender in senders:
            sender.start()
        for kill in range(KILLS):
            progress.wait_for((kill + 1) * EVENTS * CLIENTS // (KILLS + 2), senders)
            assert any(sender.is_alive() for sender in senders), "the clients were done before the kill"
            progress.up.clear()
            server.kill()
            server.start()
            progress.up.set()
        for sender in senders:
            sender.join(180)
    assert [sender.trouble for sender in senders] == [None] * CLIENTS
    assert [sender.acknowledged for sender in senders] == [EVENTS] * CLIENTS
    db.session.rollback()
    counted = db.session.execute(
        select(func.count(), func.sum(UsageEvent.quantity)).where(
            UsageEvent.tenant_id == tenant_id, UsageEvent.usage_type.in_(TYPES)
        )
    ).one()
    expected = sum(event["quantity"] for event in events)
    assert tuple(counted) == (EVENTS, expected)
    rolled_up = select(func.sum(UsageRollup.quantity)).where(UsageRollup.usage_type.in_(TYPES))
    assert db.session.scalar(rolled_up) == expected
    assert verify_rollups(db.session()) == []
