"""A batch of usage events as nearly all are, read and checked in one go.

What is unusual (a correction, an escaped letter, a wrong field) is answered with None; `parse_usages` then reads it
again and says what is wrong, if anything is. Whatever is read here is read the same there, fingerprint and all.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from dashboard.billing.errors import InvalidInput
from dashboard.billing.fields import MAX_TEXT
from dashboard.billing.ledger.usage_input import (
    MAX_QUANTITY,
    UsageInput,
    check_metadata,
    fingerprint_of,
    moment_of,
    refuse_our_key,
)
from dashboard.billing.ledger.usage_types import USAGE_TYPES

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    usage_type: Literal[tuple(USAGE_TYPES)]  # type: ignore[valid-type]
    quantity: Annotated[int, msgspec.Meta(ge=0, le=MAX_QUANTITY)]
    idempotency_key: _Text
    occurred_at: str | None = None
    user_id: _Text | None = None
    resource_type: _Text | None = None
    resource_id: _Text | None = None
    metadata: dict[str, Any] | None = None


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    events: list[_Event]


_decode = msgspec.json.Decoder(_Batch).decode


def parse_usual_batch(body: bytes, now: datetime) -> list[UsageInput] | None:
    """The events of `{"events": […]}`, checked; None unless every one is as usual."""
    # Escapes could hide a NUL character or half of a surrogate pair.
    if b"\\" in body:
        return None
    try:
        return [_checked(event, now) for event in _decode(body).events]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidInput):
        return None


def _checked(event: _Event, now: datetime) -> UsageInput:
    """Raises `InvalidInput`."""
    key, user_id, kind, resource_id = event.idempotency_key, event.user_id, event.resource_type, event.resource_id
    refuse_our_key(key, "idempotency_key")
    for text in (key, user_id, kind, resource_id):
        if text is not None and text.isspace():
            raise InvalidInput("event", "has a text of nothing but spaces")
    moment = moment_of(event.occurred_at, now)
    metadata = event.metadata
    written = check_metadata(metadata)
    print_ = fingerprint_of(event.usage_type, event.quantity, user_id, kind, resource_id, None, moment, written)
    return UsageInput(
        event.usage_type, event.quantity, key, moment, user_id, kind, resource_id, metadata or {}, None, print_
    )
