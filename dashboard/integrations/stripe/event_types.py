"""Which events our webhook endpoint asks Stripe for: exactly those that change something here."""

from __future__ import annotations

from typing import get_args

import stripe

from dashboard.integrations.stripe.handlers import row_of
from dashboard.integrations.stripe.subjects import nothing


def handled_event_types() -> list[str]:
    """The snapshot types of the pinned API version that change something here, in the order of the alphabet."""
    return sorted(kind for kind in get_args(stripe.Event.__annotations__["type"]) if _changes_something(kind))


def _changes_something(event_type: str) -> bool:
    row = row_of(event_type)
    return row is not None and row.find is not nothing
