"""Single usage events of requests that wait at the same moment, written in one transaction.

A service that reports one event a request makes us commit for each of them, and a busy tenant's events queue up for the
same rollup rows. So whoever finds the writer busy leaves its event; the next in turn writes all that were left. Each
request still answers for itself, after the commit that holds its event.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from threading import Lock

import structlog
from sqlalchemy.orm import Session

from dashboard.billing.usage import Recorded, Refusal, record_groups
from dashboard.billing.usage_input import UsageInput
from dashboard.database import db
from dashboard.wiring import now

log = structlog.get_logger()


class _Waiting:
    """One event, and the gate its request waits at until somebody wrote it or hands over the turn."""

    __slots__ = ("error", "event", "gate", "outcome", "tenant_id")

    def __init__(self, tenant_id: int, event: UsageInput) -> None:
        self.tenant_id, self.event = tenant_id, event
        self.outcome: Recorded | Refusal | None = None
        self.error: Exception | None = None
        self.gate = Lock()
        self.gate.acquire()

    @property
    def is_settled(self) -> bool:
        return self.outcome is not None or self.error is not None


class CombinedWrites:
    """One for a process: one transaction at a time, with every event that waits when its turn comes."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._is_taken = False
        self._lock = Lock()

    def record(self, tenant_id: int, event: UsageInput) -> Recorded | Refusal:
        """Record one event, durably once this returns.

        Raises what the write raised: `NotFound`, or the database's own errors.
        """
        own = _Waiting(tenant_id, event)
        with self._lock:
            self._waiting.append(own)
            is_next, self._is_taken = not self._is_taken, True
        if not is_next:
            own.gate.acquire()
        if not own.is_settled:
            self._take_turn(own)
        if own.error is not None:
            raise own.error
        assert own.outcome is not None  # noqa: S101 (settled means one or the other)
        return own.outcome

    def _take_turn(self, own: _Waiting) -> None:
        """Write everything that waits, let its requests go on, and hand over to one that came meanwhile."""
        with self._lock:
            together, self._waiting = self._waiting, []
        try:
            _write(together)
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._is_taken = following is not None
            for each in together:
                if each is not own:
                    each.gate.release()
            if following is not None:
                following.gate.release()


def _write(together: Sequence[_Waiting]) -> None:
    """All in one transaction; should that fail, each in its own, so that one event's fault is nobody else's."""
    try:
        _write_in_one(together, now())
    except Exception as error:
        if len(together) == 1:
            together[0].error = error
            return
        log.warning("combined write failed, writing one by one", events=len(together), error=str(error))
        for each in together:
            _write([each])


def _write_in_one(together: Sequence[_Waiting], moment: datetime) -> None:
    groups: dict[int, list[_Waiting]] = {}
    for each in together:
        groups.setdefault(each.tenant_id, []).append(each)
    with Session(db.engine) as session:
        outcomes = record_groups(
            session,
            {tenant_id: [each.event for each in group] for tenant_id, group in groups.items()},
            source="api",
            now=moment,
        )
        session.commit()
    for tenant_id, group in groups.items():
        for each, outcome in zip(group, outcomes[tenant_id], strict=True):
            each.outcome = outcome
