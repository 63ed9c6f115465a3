"""The thread that carries events from the spool to Countinghouse, for as long as that takes."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from http.client import HTTPException
from threading import Condition, Event, Thread
from typing import Any

from countinghouse_client.journal import Journal
from countinghouse_client.refused import Refused
from countinghouse_client.spool import Spool
from countinghouse_client.transport import Answer, Transport, Verdict

log = logging.getLogger("countinghouse_client")
MAX_BATCH_BYTES = 1_000_000  # well below what Countinghouse takes
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds
ADOPT_EVERY = 30.0  # seconds between looks for what dead processes left
COMPLAIN_EVERY = 60.0  # seconds between log lines about the same outage


class Sender:
    """One daemon thread. Its counters are read by others, written by it alone."""

    def __init__(self, spool: Spool, transport: Transport, batch_size: int, linger: float) -> None:
        self.sent = self.duplicates = self.refused = 0
        self.trouble: str | None = None  # why nothing gets through at present
        self._spool, self._transport = spool, transport
        self._batch_size, self._linger = batch_size, linger
        self._filled, self._hurry, self._stop = Event(), Event(), Event()
        self._changed = Condition()
        self._failures = 0
        self._complained = -COMPLAIN_EVERY
        self._thread = Thread(target=self._run, name="countinghouse-sender", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Something waits. Costs next to nothing when it is known already."""
        if not self._filled.is_set():
            self._filled.set()

    def drain(self, timeout: float) -> bool:
        """Send without lingering until nothing waits, or `timeout` seconds have passed; whether nothing waits."""
        self._hurry.set()
        self._filled.set()
        with self._changed:
            return self._changed.wait_for(lambda: self._spool.events == 0, timeout)

    def stop(self, timeout: float) -> bool:
        """End the thread; False if it still waits for an answer after `timeout` seconds."""
        self._stop.set()
        self._hurry.set()
        self._filled.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        looked = time.monotonic()
        while not self._stop.is_set():
            try:
                if time.monotonic() - looked >= ADOPT_EVERY:
                    looked = time.monotonic()
                    self._spool.adopt()
                self._step()
            except Exception as error:
                # A full disk under our notes, say. Nothing is acknowledged by it, so nothing is lost by waiting.
                self._complain(logging.ERROR, f"the sender stumbled: {error!r}", error)
                self._pause(0)
        self._transport.close()

    def _step(self) -> None:
        self._filled.clear()
        journal = self._spool.oldest()
        if journal is None:
            self._hurry.clear()
            with self._changed:
                self._changed.notify_all()
            self._filled.wait(ADOPT_EVERY)
            return
        if journal.events < self._batch_size:
            self._hurry.wait(self._linger)
        self._deliver(journal, journal.read(self._batch_size, MAX_BATCH_BYTES))

    def _deliver(self, journal: Journal, lines: list[bytes]) -> None:
        """Send one batch, in as many parts as it takes; a part is acknowledged as soon as it is settled."""
        parts = deque([lines])
        while parts and not self._stop.is_set():
            part = parts.popleft()
            answer = self._post(part)
            verdict = Verdict.LATER if answer is None else answer.verdict(len(part))
            if answer is not None and verdict is Verdict.DONE:
                self._settle(journal, part, answer)
            elif answer is not None and verdict is Verdict.SMALLER and len(part) == 1:
                self._refuse(part, [_reasons(answer)])
                journal.acknowledge(part)
            elif verdict is Verdict.SMALLER:
                middle = len(part) // 2
                parts.extendleft([part[middle:], part[:middle]])
            else:
                parts.appendleft(part)
                self._pause(answer.retry_after if answer else 0.0)

    def _post(self, part: list[bytes]) -> Answer | None:
        """The answer, or None when none came. Takes note of trouble and of its end."""
        body = b'{"events":[' + b",".join(line[:-1] for line in part) + b"]}"
        try:
            answer = self._transport.post(body)
        except (OSError, HTTPException) as error:
            self._complain(logging.WARNING, f"no answer: {type(error).__name__} {error}")
            return None
        verdict = answer.verdict(len(part))
        if verdict is Verdict.HOLD:
            self._complain(logging.ERROR, f"{answer}; events are kept until this is set right")
        elif verdict is Verdict.LATER:
            self._complain(logging.WARNING, str(answer))
        elif self.trouble is not None:
            log.info("countinghouse: events get through again")
            self.trouble, self._failures, self._complained = None, 0, -COMPLAIN_EVERY
        return answer

    def _complain(self, level: int, trouble: str, error: Exception | None = None) -> None:
        self.trouble = trouble
        if time.monotonic() - self._complained >= COMPLAIN_EVERY:
            self._complained = time.monotonic()
            log.log(level, "countinghouse: %s (%d events wait)", trouble, self._spool.events, exc_info=error)

    def _settle(self, journal: Journal, part: list[bytes], answer: Answer) -> None:
        entries = answer.content["events"]
        bad = [(line, entry) for line, entry in zip(part, entries, strict=True) if entry.get("status") == "refused"]
        self._refuse([line for line, _ in bad], [entry.get("errors", []) for _, entry in bad])
        duplicates = int(answer.content.get("duplicates", 0))
        self.duplicates += duplicates
        self.sent += len(part) - len(bad) - duplicates
        journal.acknowledge(part)

    def _refuse(self, lines: list[bytes], reasons: list[list[dict[str, Any]]]) -> None:
        """Keep refused events on disk before they are acknowledged."""
        if not lines:
            return
        self._spool.refused.add([Refused.of(line, errors) for line, errors in zip(lines, reasons, strict=True)])
        self.refused += len(lines)
        log.error("countinghouse: %d events were refused for good; the first: %s", len(lines), reasons[0])

    def _pause(self, at_least: float) -> None:
        """Exponential backoff with full jitter. `drain` and `stop` cut it short, but not what the server asked for."""
        self._failures += 1
        jitter = random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures, 16)))  # noqa: S311
        if at_least:
            self._stop.wait(max(at_least, jitter))
        else:
            self._hurry.wait(jitter)
            self._hurry.clear()


def _reasons(answer: Answer) -> list[dict[str, Any]]:
    """What a problem says about the one event it is about."""
    errors = answer.content.get("errors")
    if isinstance(errors, list) and errors:
        return errors
    return [{"field": answer.content.get("field"), "message": str(answer)}]
