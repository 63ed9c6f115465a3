"""`Countinghouse`: what a service holds to report its usage."""

from __future__ import annotations

import atexit
import logging
import os
import re
import weakref
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any, Self

from countinghouse_client.errors import SpoolFull
from countinghouse_client.event import encode
from countinghouse_client.refused import Refused
from countinghouse_client.sender import Sender
from countinghouse_client.spool import Spool
from countinghouse_client.tracking import Tracked, Tracker
from countinghouse_client.transport import Transport

log = logging.getLogger("countinghouse_client")
KEY = re.compile(r"ch_([1-9][0-9]*)_[A-Za-z0-9_-]+")
GRACE = 2.0  # seconds the sender has to put down what it is doing


@dataclass(frozen=True, slots=True)
class Stats:
    """What became of the events of this process, and of those it adopted.

    `waiting` in the spool; `sent` and counted; `duplicates` that were known already; `refused` for good; `dropped`
    because the spool was full. `trouble` is why nothing gets through at present, None when all is well.
    """

    waiting: int
    sent: int
    duplicates: int
    refused: int
    dropped: int
    trouble: str | None


@dataclass(slots=True)
class _Engine:
    """What one process needs; a forked child gets its own."""

    spool: Spool
    sender: Sender


class Countinghouse:
    """Reports the usage of one tenant. Use one for as long as the process lives; any thread may call it."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        spool: Path | str,
        max_spool_bytes: int = 64_000_000,
        batch_size: int = 1_000,
        linger: float = 0.2,
        timeout: float = 10.0,
        exit_timeout: float = 2.0,
    ) -> None:
        """`spool` is a folder on a local disk; any number of processes and tenants of one Countinghouse may share it.

        `linger` (seconds) is how long an event waits for company. `timeout` (seconds) is for connecting and reading.
        `exit_timeout` (seconds) is how long a process that ends waits for its last events; the next one sends the rest.

        Raises `ValueError` that names the argument, `OSError` if the folder cannot be made.
        """
        form = KEY.fullmatch(api_key)
        if form is None:
            raise ValueError("api_key must look like ch_<tenant>_<secret>")
        if not 1 <= batch_size <= 1_000:
            raise ValueError("batch_size must be from 1 to 1000")
        Transport(base_url, api_key, timeout)  # a bad address is told now
        self._open: Callable[[], _Engine] = lambda: _start(
            Spool(Path(spool), form[1], max_spool_bytes), Transport(base_url, api_key, timeout), batch_size, linger
        )
        self._dropped = 0
        self._closed = False
        self._guard = Lock()
        self._engine: _Engine | None = self._open()
        _after_fork(self)
        atexit.register(self.close, exit_timeout)

    def record(
        self,
        usage_type: str,
        quantity: int = 1,
        *,
        user: str | None = None,
        resource: tuple[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        key: str | None = None,
        occurred_at: datetime | None = None,
    ) -> str:
        """Report one action and return at once; once this returns, the death of the process loses nothing.

        `user` is who did it, `resource` what it was done to, as (type, id). `key` is made here unless you have one of
        your own that a repeat of the action would have too. `occurred_at` is now unless given. Answers the key.

        Never waits for the network. Raises `ValueError` that names the field, `SpoolFull`, `RuntimeError` once closed.
        """
        line, made = encode(
            usage_type,
            quantity,
            user=user,
            resource=resource,
            metadata=metadata,
            key=key,
            occurred_at=occurred_at,
        )
        if self._closed:
            raise RuntimeError("the client is closed")
        engine = self._engine or self._started()
        try:
            engine.spool.append(line)
        except SpoolFull:
            self._dropped += 1
            raise
        engine.sender.wake()
        return made

    def tracks(
        self,
        usage_type: str,
        quantity: int = 1,
        *,
        user: str | None = None,
        resource: tuple[str, str] | Callable[[Any], tuple[str, str]] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Tracker:
        """Report an action when it has succeeded: around a block (`with`) or a function (decorator).

        A block gets a `Tracked` whose fields it may set. For a function, `resource` may be a callable that makes the
        pair from the function's result. Nothing is reported if the block or function raises. As the action is done by
        then, a full spool raises nothing: the event goes to the log, whole, and counts as dropped.
        """
        return Tracker(self._record_done, Tracked(usage_type, quantity, user, None, dict(metadata or {})), resource)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until every event was taken or refused, at most `timeout` seconds; whether none waits any more."""
        return (self._engine or self._started()).sender.drain(timeout)

    def stats(self) -> Stats:
        """The counts since this process began."""
        engine = self._engine or self._started()
        sender = engine.sender
        return Stats(engine.spool.events, sender.sent, sender.duplicates, sender.refused, self._dropped, sender.trouble)

    def refused(self) -> list[Refused]:
        """What Countinghouse refused for good, with its reasons, oldest first; kept until you decide."""
        return (self._engine or self._started()).spool.refused.all()

    def forget_refused(self, keys: Collection[str] | None = None) -> list[Refused]:
        """Give up refused events with these keys (all of them by default); answers what was given up."""
        return (self._engine or self._started()).spool.refused.forget(keys)

    def close(self, timeout: float = 5.0) -> bool:
        """Send what can be sent within `timeout` seconds and stop; whether nothing waits any more.

        What still waits stays in the spool: the next client on the same folder sends it. A second call does nothing.
        """
        atexit.unregister(self.close)
        with self._guard:
            engine, was_closed = self._engine, self._closed
            self._closed = True
        if engine is None or was_closed:
            return engine is None or engine.spool.events == 0
        is_empty = engine.sender.drain(timeout)
        # With the thread inside a request, its journal stays locked until the process ends.
        if engine.sender.stop(GRACE):
            engine.spool.close()
        return is_empty

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _record_done(self, event: Tracked) -> None:
        try:
            self.record(
                event.usage_type,
                event.quantity,
                user=event.user,
                resource=event.resource,
                metadata=event.metadata,
                occurred_at=event.occurred_at,
            )
        except SpoolFull as full:
            log.error("countinghouse: not reported, %s: %r", full, event)  # noqa: TRY400 (the event is what matters)

    def _started(self) -> _Engine:
        """The engine of a forked child, made at its first use."""
        with self._guard:
            if self._engine is None:
                self._engine = self._open()
            return self._engine

    def _forked(self) -> None:
        """In a forked child: the parent's thread is not here, its journal not ours, and its lock may be held."""
        self._guard = Lock()
        self._dropped = 0
        if self._engine is not None:
            self._engine.spool.abandon()
            self._engine = None


def _start(spool: Spool, transport: Transport, batch_size: int, linger: float) -> _Engine:
    return _Engine(spool, Sender(spool, transport, batch_size, linger))


def _after_fork(client: Countinghouse) -> None:
    reference = weakref.ref(client)

    def restart() -> None:
        found = reference()
        if found is not None:
            found._forked()

    os.register_at_fork(after_in_child=restart)
