"""A batch of a file into the ledger: what is good is recorded, what is refused is named by its line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from dashboard.billing.errors import AlreadyCorrected, IdempotencyConflict, InvalidInput
from dashboard.billing.ledger.usage import Recorded, record_each
from dashboard.billing.ledger.usage import Refusal as UsageRefusal
from dashboard.billing.usage_import.checking import Batch, Refusal

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
    answers = record_each(session, tenant_id, batch.events, source=SOURCE, now=now) if batch.events else []
    refusals, new, duplicates = list(batch.refusals), 0, 0
    for line, answer in zip(batch.lines, answers, strict=True):
        if isinstance(answer, Recorded):
            new += answer.is_new
            duplicates += not answer.is_new
        else:
            refusals.append(_named(line, answer))
    return Outcome(new, duplicates, sorted(refusals, key=lambda refusal: refusal.line))


def _named(line: int, error: UsageRefusal) -> Refusal:
    match error:
        case InvalidInput():
            return Refusal.of(line, error.field, error.message)
        case AlreadyCorrected():
            return Refusal.of(line, "corrects_id", str(error))
        case IdempotencyConflict():
            return Refusal.of(line, "idempotency_key", f"{error.key!r} was used before with a different body")
