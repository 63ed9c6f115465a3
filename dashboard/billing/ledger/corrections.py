"""Corrections: a ledger row that names the row it corrects, once only, in the original's own hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from dashboard.billing.errors import AlreadyCorrected, IdempotencyConflict, InvalidInput
from dashboard.billing.ledger.usage_input import UsageInput
from dashboard.models import UsageEvent


@dataclass(frozen=True, slots=True)
class _Original:
    usage_type: str
    quantity: int
    occurred_at: datetime
    is_correction: bool
    corrected_by: str | None


def check_corrections(
    session: Session,
    tenant_id: int,
    events: Mapping[str, tuple[int, UsageInput]],
    refused: dict[int, InvalidInput | IdempotencyConflict | AlreadyCorrected],
) -> dict[str, UsageInput]:
    """The events that may be written, corrections with the time of the row they correct.

    `events` are place and event by key; what is wrong with a correction goes to `refused` under its place.
    """
    ids = {event.corrects_id for _, event in events.values() if event.corrects_id is not None}
    if not ids:
        return {key: event for key, (_, event) in events.items()}
    originals = _originals(session, tenant_id, ids)
    writable = {}
    claimed: set[int] = set()
    for key, (position, event) in events.items():
        if event.corrects_id is None:
            writable[key] = event
            continue
        original = originals.get(event.corrects_id)
        problem = _problem(event, original, key, taken=event.corrects_id in claimed)
        if problem is not None:
            refused[position] = problem
        elif original is not None:
            claimed.add(event.corrects_id)
            writable[key] = msgspec.structs.replace(event, occurred_at=original.occurred_at)
    return writable


def _originals(session: Session, tenant_id: int, ids: set[int]) -> dict[int, _Original]:
    correction = aliased(UsageEvent)
    rows = session.execute(
        select(
            UsageEvent.id,
            UsageEvent.usage_type,
            UsageEvent.quantity,
            UsageEvent.occurred_at,
            UsageEvent.corrects_id,
            correction.idempotency_key,
        )
        .outerjoin(
            correction, (correction.tenant_id == UsageEvent.tenant_id) & (correction.corrects_id == UsageEvent.id)
        )
        .where(UsageEvent.tenant_id == tenant_id, UsageEvent.id.in_(ids))
    )
    return {
        id_: _Original(usage_type, quantity, occurred_at, corrects_id is not None, corrected_by)
        for id_, usage_type, quantity, occurred_at, corrects_id, corrected_by in rows
    }


def _problem(
    event: UsageInput, original: _Original | None, key: str, *, taken: bool
) -> InvalidInput | AlreadyCorrected | None:
    id_ = event.corrects_id or 0
    if original is None or original.usage_type != event.usage_type:
        return InvalidInput("corrects_id", f"must name a {event.usage_type} event of this tenant; {id_} is none")
    if original.is_correction:
        return InvalidInput("corrects_id", f"must name an original event; {id_} is a correction itself")
    if original.quantity + event.quantity < 0:
        return InvalidInput(
            "quantity", f"must be {-original.quantity} or more: event {id_} has a quantity of {original.quantity}"
        )
    # The same key again is a repeat, which the ledger answers; another key is a second correction.
    if original.corrected_by not in {None, key} or taken:
        return AlreadyCorrected(id_)
    return None
