"""Callers that showed a good key a moment ago: a busy service costs one look at its key a second, not one a call.

A key revoked in this process is forgotten at once; one revoked elsewhere works for a second more (docs/decisions/0034).
"""

from __future__ import annotations

import time
from datetime import datetime
from hashlib import sha256

from sqlalchemy.orm import Session

from dashboard.billing.tenants.api_keys import Caller, find_caller, note_use

KNOWN_FOR = 1.0  # seconds of real time
MOST = 10_000


class KnownCallers:
    """The good keys of the last second, by their hash."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[float, Caller]] = {}

    def find(self, session: Session, key: str, now: datetime) -> Caller | None:
        """Who calls with this key, as `find_caller` says, or said within the last second. Notes that it was used."""
        caller = self.recall(key, now)
        if caller is not None:
            return caller
        print_ = _print_of(key)
        caller = find_caller(session, key, now)
        if caller is None:
            self._known.pop(print_, None)
            return None
        if note_use(session, caller, now):
            session.commit()
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[print_] = (time.monotonic() + KNOWN_FOR, caller)
        return caller

    def recall(self, key: str, now: datetime) -> Caller | None:
        """Who showed this key within the last second, None where nobody did."""
        until, caller = self._known.get(_print_of(key), (0.0, None))
        return caller if caller is not None and time.monotonic() < until and not caller.is_expired(now) else None

    def forget(self) -> None:
        """Look at every key again: one was revoked."""
        self._known.clear()


def _print_of(key: str) -> bytes:
    return sha256(key.encode(errors="replace")).digest()


known_callers = KnownCallers()
