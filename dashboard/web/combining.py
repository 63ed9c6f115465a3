"""Small writes of requests that wait at the same moment, done in one transaction.

A client that sends one thing a request makes us commit for each of them, and what is written may queue up for the same
rows. So whoever finds the writer busy leaves its item; the next in turn writes all that were left. Each request still
answers for itself, after the commit that holds its item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger()
Item = TypeVar("Item")
Result = TypeVar("Result")


class _Waiting(Generic[Item, Result]):
    """One item, and the gate its request waits at until somebody wrote it or hands over the turn."""

    __slots__ = ("error", "gate", "is_written", "item", "result")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.result: Result | None = None
        self.error: Exception | None = None
        self.is_written = False
        self.gate = Lock()
        self.gate.acquire()

    @property
    def is_settled(self) -> bool:
        return self.is_written or self.error is not None


class Combined(Generic[Item, Result]):
    """One for a process: one transaction at a time, with every item that waits when its turn comes.

    `write` writes all of its items in one transaction, commits, and answers a result for each, in their order.
    """

    def __init__(self, write: Callable[[Sequence[Item]], Sequence[Result]]) -> None:
        self._write_in_one = write
        self._waiting: list[_Waiting[Item, Result]] = []
        self._is_taken = False
        self._lock = Lock()

    @property
    def waiting(self) -> int:
        """How many items wait for the next turn."""
        return len(self._waiting)

    def write(self, item: Item) -> Result:
        """Write one item, durably once this returns. Raises what the write raised."""
        own: _Waiting[Item, Result] = _Waiting(item)
        with self._lock:
            self._waiting.append(own)
            is_next, self._is_taken = not self._is_taken, True
        if not is_next:
            own.gate.acquire()
        if not own.is_settled:
            self._take_turn(own)
        if own.error is not None:
            raise own.error
        return own.result  # type: ignore[return-value]

    def _take_turn(self, own: _Waiting[Item, Result]) -> None:
        """Write everything that waits, let its requests go on, and hand over to one that came meanwhile."""
        with self._lock:
            together, self._waiting = self._waiting, []
        try:
            self._write(together)
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._is_taken = following is not None
            for each in together:
                if each is not own:
                    each.gate.release()
            if following is not None:
                following.gate.release()

    def _write(self, together: Sequence[_Waiting[Item, Result]]) -> None:
        """All in one transaction; should that fail, each in its own, so that one item's fault is nobody else's."""
        try:
            results = self._write_in_one([each.item for each in together])
            for each, result in zip(together, results, strict=True):
                each.result, each.is_written = result, True
        except Exception as error:
            if len(together) == 1:
                together[0].error = error
                return
            log.warning("combined write failed, writing one by one", items=len(together), error=str(error))
            for each in together:
                self._write([each])
