"""Whole objects: fields that Stripe sends as null are null here too. Which ones, the SDK's classes say."""

from __future__ import annotations

import typing
from functools import lru_cache
from typing import Any

from stripe._object_classes import get_object_class

from sandbox.store import Thing

MOST_LINES = 10
# Sent only when a call asks to expand them, or only on deleted objects.
ON_REQUEST = {
    "customer": {"sources", "subscriptions", "tax", "tax_ids", "cash_balance", "invoice_credit_balance"},
    "checkout.session": {"line_items"},
    "invoice": {"payments", "confirmation_secret"},
    "price": {"tiers", "currency_options"},
    "charge": {"refunds"},
}


@lru_cache(maxsize=64)
def _nullable(kind: str) -> tuple[str, ...]:
    annotations = get_object_class("V1", kind).__annotations__
    skipped = ON_REQUEST.get(kind, set()) | {"deleted"}
    return tuple(
        name for name, hint in annotations.items() if name not in skipped and type(None) in typing.get_args(hint)
    )


def whole(thing: Thing) -> Thing:
    """The thing with every nullable field of its class. A payment method has the fields of its own type only."""
    if thing["object"] == "payment_method":
        return thing
    empty: dict[str, Any] = dict.fromkeys(_nullable(thing["object"]))
    return {**empty, **thing}


def first_lines(thing: Any) -> Any:
    """The thing as it is sent: an invoice carries its first ten lines, the rest is listed by itself."""
    if not isinstance(thing, dict):
        return thing
    kind = thing.get("object")
    if kind == "list":
        return {**thing, "data": [first_lines(each) for each in thing["data"]]}
    if kind == "invoice" and len(thing["lines"]["data"]) > MOST_LINES:
        lines = {**thing["lines"], "data": thing["lines"]["data"][:MOST_LINES], "has_more": True}
        return {**thing, "lines": lines}
    return thing
