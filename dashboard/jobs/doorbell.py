"""Asking for a worker once for a burst: at its first event at once, for those that follow a moment later."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock, Timer

from flask import Flask

PAUSE = 0.025  # seconds of real time


class Doorbell:
    """Calls `ask` after every ring, though not more often than once a pause.

    What is rung for is stored already, so a process that ends in between loses nothing: the sweep finds it.
    """

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._lock = Lock()
        self._asked_at = 0.0
        self._is_pending = False

    def ring(self, app: Flask) -> None:
        """Ask now, or within a pause; in the latter case in a thread, under this application."""
        with self._lock:
            if self._is_pending:
                return
            left = self._asked_at + PAUSE - time.monotonic()
            if left <= 0:
                self._asked_at = time.monotonic()
            else:
                self._is_pending = True
        if left <= 0:
            self._ask()
            return
        timer = Timer(left, self._ask_late, (app,))
        timer.daemon = True
        timer.start()

    def _ask_late(self, app: Flask) -> None:
        with self._lock:
            # Before it asks: whoever rings from now on has stored something that this may not see.
            self._is_pending = False
            self._asked_at = time.monotonic()
        with app.app_context():
            self._ask()
