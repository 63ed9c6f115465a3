"""Which events we ask Stripe for: exactly those that change something here."""

from __future__ import annotations

from typing import get_args

import stripe

from dashboard.integrations.stripe.families.meter_errors import report
from dashboard.integrations.stripe.handlers import TABLE, row_of
from dashboard.integrations.stripe.subjects import nothing


def handled_event_types() -> list[str]:
    """The snapshot types of the pinned API version that change something here, in the order of the alphabet."""
    return sorted(kind for kind in get_args(stripe.Event.__annotations__["type"]) if _changes_something(kind))


def thin_event_types() -> list[str]:
    """The types that come as thin events only, in the order of the alphabet."""
    return sorted(row.events for row in TABLE if row.find is report)


def _changes_something(event_type: str) -> bool:
    row = row_of(event_type)
    return row is not None and row.find is not nothing
