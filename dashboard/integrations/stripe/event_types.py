"""Which events our webhook endpoint asks Stripe for: exactly those that change something here."""

from __future__ import annotations

from typing import get_args

import stripe

from dashboard.integrations.stripe.handlers import handler_of


def handled_event_types() -> list[str]:
    """The snapshot types of the pinned API version that have a handler, in the order of the alphabet."""
    return sorted(kind for kind in get_args(stripe.Event.__annotations__["type"]) if handler_of(kind) is not None)
