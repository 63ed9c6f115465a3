"""One usage event as a line of JSON, checked as far as that can be done here."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

USAGE_TYPES = frozenset(
    {
        "SMS_SENT",
        "SMS_RECEIVED",
        "CALL_MADE",
        "CALL_RECEIVED",
        "CALL_DURATION_SECONDS",
        "AI_MESSAGE_GENERATED",
        "AI_VOICE_GENERATED",
        "AI_TEMPLATE_CREATED",
        "CONTENT_AI_GENERATED",
        "CAMPAIGN_LAUNCHED",
        "JOURNEY_LAUNCHED",
        "CONTACT_CREATED",
        "TEMPLATE_CREATED",
        "WEBHOOK_TRIGGERED",
        "STORAGE_USED_MB",
        "API_REQUEST",
    }
)
MAX_QUANTITY = 10**12
MAX_TEXT = 200  # characters
MAX_METADATA_BYTES = 8_192
MAX_DEPTH = 20


def new_key() -> str:
    """A UUIDv7 (RFC 9562): its first 48 bits are the time in milliseconds, so keys made together lie together."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 7 << 76  # version
    value = value & ~(0x3 << 62) | 2 << 62  # variant
    return str(UUID(int=value))


def encode(
    usage_type: str,
    quantity: object,
    *,
    user: object,
    resource: object,
    metadata: object,
    key: object,
    occurred_at: object,
) -> tuple[bytes, str]:
    """The event as one line of UTF-8 with its line end, and its key. Key and time are made here if not given.

    It takes anything, for it is here that anything is checked.

    Raises `ValueError` whose text begins with the field's name.
    """
    if usage_type not in USAGE_TYPES:
        raise ValueError(f"usage_type must be one of {', '.join(sorted(USAGE_TYPES))}")
    if not isinstance(quantity, int) or isinstance(quantity, bool) or not 0 <= quantity <= MAX_QUANTITY:
        raise ValueError(f"quantity must be a whole number from 0 to {MAX_QUANTITY}")
    made = new_key() if key is None else _text("key", key)
    event: dict[str, Any] = {
        "usage_type": usage_type,
        "quantity": quantity,
        "idempotency_key": made,
        "occurred_at": _moment(occurred_at),
    }
    if user is not None:
        event["user_id"] = _text("user", user)
    if resource is not None:
        if not isinstance(resource, tuple) or len(resource) != 2:
            raise ValueError("resource must be a pair (type, id)")
        event["resource_type"], event["resource_id"] = (_text("resource", part) for part in resource)
    if metadata:
        event["metadata"] = _metadata(metadata)
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n", made


def _text(field: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_TEXT:
        raise ValueError(f"{field} must be a text of 1 to {MAX_TEXT} characters")
    if not _is_storable(value):
        raise ValueError(f"{field} must be Unicode text without NUL characters")
    return value


def _moment(value: object) -> str:
    if value is None:
        return datetime.now(UTC).isoformat()
    if not isinstance(value, datetime) or value.tzinfo is None or value.year < 2000:
        raise ValueError("occurred_at must be a datetime with a time zone, not before the year 2000")
    return value.astimezone(UTC).isoformat()


def _metadata(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("metadata must be a mapping")  # noqa: TRY004 (one kind of error for all bad input)
    given = dict(value)
    try:
        written = json.dumps(given, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"metadata must be a JSON object of finite numbers: {error}") from None
    # In written JSON a NUL shows as its escape.
    if "\\u0000" in written or not _is_storable(written):
        raise ValueError("metadata must be Unicode text without NUL characters")
    if len(written.encode()) > MAX_METADATA_BYTES:
        raise ValueError(f"metadata must be at most {MAX_METADATA_BYTES} bytes")
    if _is_deeper(given, MAX_DEPTH):
        raise ValueError(f"metadata must be nested at most {MAX_DEPTH} levels deep")
    return given


def _is_deeper(value: object, levels: int) -> bool:
    """Whether mappings and lists stand in each other more than `levels` deep."""
    if isinstance(value, Mapping):
        value = list(value.values())
    return isinstance(value, list | tuple) and (levels == 0 or any(_is_deeper(each, levels - 1) for each in value))


def _is_storable(text: str) -> bool:
    """Whether PostgreSQL can keep it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text
