"""Taking a recorded action back: a correction of the whole quantity, once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.usage import Recorded, record_usage
from dashboard.billing.usage_details import find_detail
from dashboard.billing.usage_input import parse_usage


class AlreadyCorrected(Exception):
    """The action was corrected before. `corrected_by` is the id of the row that did it."""

    def __init__(self, event_id: int, corrected_by: int) -> None:
        super().__init__(f"usage event {event_id} was corrected before, by {corrected_by}")
        self.corrected_by = corrected_by


def reverse_usage(session: Session, tenant_id: int, event_id: int, *, source: str, now: datetime) -> Recorded:
    """Record the opposite of an action, at its time and for the same user and resource: its effect is then nothing.

    Raises `NotFound`, `AlreadyCorrected`, and `InvalidInput` (field `id`) for what cannot be reversed: a correction,
    or the reading of a level.
    """
    original = find_detail(session, tenant_id, event_id)
    if original.corrects_id is not None:
        raise InvalidInput("id", "must name an action that is no correction itself")
    if original.corrected_by is not None:
        raise AlreadyCorrected(event_id, original.corrected_by)
    try:
        event = parse_usage(
            {
                "usage_type": original.usage_type,
                "quantity": -original.quantity,
                "idempotency_key": f"reversal:{event_id}",
                "user_id": original.user_id,
                "resource_type": original.resource_type,
                "resource_id": original.resource_id,
                "metadata": original.metadata,
                "corrects_id": event_id,
            },
            now,
        )
    except InvalidInput as error:
        raise InvalidInput("id", f"cannot be reversed: {error.message}") from error
    recorded = record_usage(session, tenant_id, event, source=source, now=now)
    if not recorded.is_new:  # another request was faster
        raise AlreadyCorrected(event_id, recorded.id)
    return recorded
