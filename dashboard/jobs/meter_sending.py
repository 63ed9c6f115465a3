"""Sending what is pending: chunks of tenants, worked off by several threads, noted in one statement each.

A chunk's tenants are held by their locks while it is sent, so that no two workers send for one customer at once. Two
chunks are under way at a time: while one is written down, the other one's calls go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from dashboard.billing import metering
from dashboard.billing.metering import Outage, Sent
from dashboard.database import db, holding_objects
from dashboard.wiring import Wiring, wiring

# Tenants and events of a chunk, and events of one tenant in it: what a crash sends again is at most a chunk.
TENANTS = 200
EVENTS = 500
OF_ONE = 50
AT_ONCE = 2

# Called after each chunk with its transaction's session; answers whether to go on.
Note = Callable[[Session, Sent], bool]


@dataclass(slots=True)
class Round:
    """One pass over all tenants with pending events: who is next, who failed, and whether there was anything."""

    usage_types: Sequence[str] | None
    note: Note
    only: int | None = None
    outage: Outage = field(default_factory=Outage)
    failed: set[int] = field(default_factory=set)
    unavailable: str | None = None
    sent: int = 0
    is_stopped: bool = False
    after: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_tenants(self, connection: Connection, size: int) -> list[int]:
        """The tenants of the next chunk; empty at the end of the pass."""
        with self.lock, Session(bind=connection) as session:
            if self.is_stopped or self.outage.is_total:
                return []
            if self.only is not None:
                found = [] if self.after else [self.only]
                self.after = self.only
                return found
            found = metering.list_pending_tenants(session, after=self.after, limit=size, usage_types=self.usage_types)
            self.after = found[-1] if found else self.after
            return found


def send_pending(note: Note, *, tenant_id: int | None = None, usage_types: Sequence[str] | None = None) -> str | None:
    """Send until nothing is pending (of one tenant, or of all), or Stripe is out of reach, or `note` says stop.

    Answers why something was left, None where nothing was. Tenants that failed are left out of further passes.
    """
    parts, engine = wiring(), db.engine
    events = EVENTS * (10 if parts.meters.most > 1 else 1)
    going = Round(usage_types, note, only=tenant_id)
    threads = parts.settings.meter_send_threads
    with ThreadPoolExecutor(threads) as pool, ThreadPoolExecutor(AT_ONCE) as chunks:
        while True:
            going.after, before = 0, going.sent
            workers = AT_ONCE if tenant_id is None else 1

            def work(_: int) -> None:
                with engine.connect() as connection:
                    while tenants := going.next_tenants(connection, TENANTS if events == EVENTS else 5 * TENANTS):
                        _send_chunk(connection, parts, pool, going, tenants, events)

            for _ in chunks.map(work, range(workers)):
                pass
            if going.is_stopped or going.outage.is_total or going.sent == before:
                return going.unavailable


def _send_chunk(
    connection: Connection, parts: Wiring, pool: Executor, going: Round, tenants: Sequence[int], most: int
) -> None:
    """Send one chunk of those of these tenants that nobody else holds."""
    names = [("meter-events", tenant) for tenant in tenants if tenant not in going.failed]
    with holding_objects(connection, names) as held:
        mine = [tenant for tenant in tenants if ("meter-events", tenant) in held]
        tried_at = parts.clock.now()
        with Session(bind=connection) as session:
            events = metering.take_pending(
                session,
                mine,
                tried_at,
                each=OF_ONE if parts.meters.most == 1 else parts.meters.most,
                most=most,
                usage_types=going.usage_types,
            )
            session.commit()
        if not events:
            return
        done = metering.deliver(events, parts.meters, parts.pace, pool, going.outage)
        settled = {outcome.event.id for outcome in done.outcomes} | {event.id for event in done.uncertain}
        left = [event for event in events if event.id not in settled]
        with Session(bind=connection) as session:
            metering.mark_outcomes(session, done.outcomes, parts.clock.now())
            metering.mark_untried(session, left, tried_at)
            goes_on = going.note(session, metering.summarize(done))
            session.commit()
        with going.lock:
            going.sent += len(done.outcomes)
            going.failed |= {event.tenant_id for event in (*left, *done.uncertain)}
            going.unavailable = going.unavailable or done.unavailable
            going.is_stopped = going.is_stopped or not goes_on
