"""A batch of a file into the ledger: what is good is recorded, what is refused is named by its line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from dashboard.billing.errors import IdempotencyConflict, InvalidInput
from dashboard.billing.usage import Recorded, record_usages
from dashboard.billing.usage_import.checking import Batch, Refusal
from dashboard.billing.usage_input import UsageInput

SOURCE = "import"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch. `duplicates` were in the ledger before, `refusals` are in the order of their lines."""

    new: int
    duplicates: int
    refusals: list[Refusal]


def record_batch(session: Session, tenant_id: int, batch: Batch, *, now: datetime) -> Outcome:
    """Record the batch's events. One refused event takes no other with it.

    Nothing is stored unless the caller commits. Raises `NotFound` (no such tenant).
    """
    answers = _record_apart(session, tenant_id, batch.events, now)
    refusals, new, duplicates = list(batch.refusals), 0, 0
    for line, answer in zip(batch.lines, answers, strict=True):
        if isinstance(answer, Recorded):
            new += answer.is_new
            duplicates += not answer.is_new
        else:
            refusals.append(_refusal(line, answer))
    return Outcome(new, duplicates, sorted(refusals, key=lambda refusal: refusal.line))


def _record_apart(
    session: Session, tenant_id: int, events: Sequence[UsageInput], now: datetime
) -> list[Recorded | IdempotencyConflict | InvalidInput]:
    """Record all at once, or halve until the refused ones stand alone."""
    if not events:
        return []
    try:
        with session.begin_nested():
            return list(record_usages(session, tenant_id, events, source=SOURCE, now=now))
    except (IdempotencyConflict, InvalidInput) as refusal:
        if len(events) == 1:
            return [refusal]
    middle = len(events) // 2
    return [
        answer for half in (events[:middle], events[middle:]) for answer in _record_apart(session, tenant_id, half, now)
    ]


def _refusal(line: int, error: IdempotencyConflict | InvalidInput) -> Refusal:
    if isinstance(error, InvalidInput):
        return Refusal.of(line, error.field, error.message)
    return Refusal.of(line, "idempotency_key", f"{error.key!r} was used before with a different body")
