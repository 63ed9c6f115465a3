"""Asking for a worker once for a burst, instead of once for each thing that was stored."""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE = 0.025  # seconds of real time


class Doorbell:
    """Calls `ask` after something was stored. Used by one writer at a time.

    What is rung for is stored already, so a writer that fails loses nothing: the sweep finds it.
    """

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._is_owed = False
        self._asked_at = 0.0

    def ring(self, *, for_new: bool, is_followed: bool) -> None:
        """Ask, if anything is new. A writer that another one follows at once leaves it to that, for a pause at most."""
        self._is_owed = self._is_owed or for_new
        moment = time.monotonic()
        if not self._is_owed or (is_followed and moment - self._asked_at < PAUSE):
            return
        # Before it asks: what is stored from now on is rung for again.
        self._is_owed, self._asked_at = False, moment
        self._ask()
