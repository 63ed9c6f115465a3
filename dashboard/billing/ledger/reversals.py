"""Taking a recorded action back: a correction of the whole quantity, once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.errors import AlreadyCorrected, InvalidInput, NotFound
from dashboard.billing.ledger.usage import Recorded, record_usage
from dashboard.billing.ledger.usage_input import parse_usage
from dashboard.models import UsageEvent


def reverse_usage(session: Session, tenant_id: int, event_id: int, *, source: str, now: datetime) -> Recorded:
    """Record the opposite of an action, at its time and for the same user and resource: its effect is then nothing.

    Raises `NotFound`, `AlreadyCorrected`, and `InvalidInput` (field `id`) for what cannot be reversed: a correction,
    or the reading of a level.
    """
    original = session.scalar(select(UsageEvent).where(UsageEvent.tenant_id == tenant_id, UsageEvent.id == event_id))
    if original is None:
        raise NotFound(f"no usage event {event_id}")
    try:
        event = parse_usage(
            {
                "usage_type": original.usage_type,
                "quantity": -original.quantity,
                "idempotency_key": f"reversal:{event_id}",
                "user_id": original.user_id,
                "resource_type": original.resource_type,
                "resource_id": original.resource_id,
                "metadata": original.details,
                "corrects_id": event_id,
            },
            now,
        )
        recorded = record_usage(session, tenant_id, event, source=source, now=now)
    except InvalidInput as error:
        raise InvalidInput("id", error.message) from error
    if not recorded.is_new:  # by this same key: it was reversed before
        raise AlreadyCorrected(event_id)
    return recorded
