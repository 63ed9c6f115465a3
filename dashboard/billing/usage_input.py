"""What may come into the ledger: one usage event as the caller gives it, checked field by field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from dashboard.billing.errors import InvalidInput
from dashboard.billing.usage_types import USAGE_TYPES

# Stripe takes meter values of at most 15 digits; a single action stays far below that.
MAX_QUANTITY = 10**12
MAX_AHEAD = timedelta(minutes=5)
MAX_TEXT = 200
MAX_METADATA_BYTES = 8_192
MAX_DEPTH = 20
FIELDS = frozenset(
    {
        "usage_type",
        "quantity",
        "idempotency_key",
        "occurred_at",
        "user_id",
        "resource_type",
        "resource_id",
        "metadata",
        "corrects_id",
    }
)


@dataclass(frozen=True, slots=True)
class UsageInput:
    """A checked usage event. `occurred_at` None means: when we take it in."""

    usage_type: str
    quantity: int
    idempotency_key: str
    occurred_at: datetime | None
    user_id: str | None
    resource_type: str | None
    resource_id: str | None
    metadata: dict[str, Any]
    corrects_id: int | None
    fingerprint: bytes


def parse_usage(raw: object, now: datetime, path: str = "") -> UsageInput:
    """Check one usage event as it was sent (a JSON object). `path` leads the field names of errors.

    Raises `InvalidInput` with the field and what is allowed.
    """
    prefix = f"{path}." if path else ""
    if not isinstance(raw, Mapping):
        raise InvalidInput(path or "event", "must be a JSON object")
    unknown = sorted(set(raw) - FIELDS)
    if unknown:
        raise InvalidInput(f"{prefix}{unknown[0]}", f"is not a field; allowed are {', '.join(sorted(FIELDS))}")
    corrects_id = _corrects_id(raw.get("corrects_id"), prefix)
    usage_type = _usage_type(raw.get("usage_type"), prefix, corrects_id)
    occurred_at = _moment(raw.get("occurred_at"), now, f"{prefix}occurred_at")
    metadata = _metadata(raw.get("metadata"), f"{prefix}metadata")
    checked = {
        "usage_type": usage_type,
        "quantity": _quantity(raw.get("quantity"), f"{prefix}quantity", is_correction=corrects_id is not None),
        "user_id": clean_text(raw.get("user_id"), f"{prefix}user_id", required=False),
        "resource_type": clean_text(raw.get("resource_type"), f"{prefix}resource_type", required=False),
        "resource_id": clean_text(raw.get("resource_id"), f"{prefix}resource_id", required=False),
        "corrects_id": corrects_id,
    }
    key = clean_text(raw.get("idempotency_key"), f"{prefix}idempotency_key", required=True)
    given = {**checked, "metadata": metadata, "occurred_at": occurred_at.isoformat() if occurred_at else None}
    return UsageInput(
        **checked,  # type: ignore[arg-type]
        idempotency_key=key or "",
        occurred_at=occurred_at,
        metadata=metadata,
        fingerprint=fingerprint(given),
    )


def fingerprint(given: Mapping[str, object]) -> bytes:
    """SHA-256 of what the caller gave, whatever the order of its keys."""
    return sha256(json.dumps(given, sort_keys=True, separators=(",", ":"), default=str).encode()).digest()


def _usage_type(value: object, prefix: str, corrects_id: int | None) -> str:
    if not isinstance(value, str) or value not in USAGE_TYPES:
        raise InvalidInput(f"{prefix}usage_type", f"must be one of {', '.join(USAGE_TYPES)}")
    if corrects_id is not None and USAGE_TYPES[value].is_level:
        raise InvalidInput(f"{prefix}corrects_id", f"{value} is a level: record a new reading instead")
    return value


def _quantity(value: object, field: str, *, is_correction: bool) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidInput(field, "must be a whole number")
    if value < 0 and not is_correction:
        raise InvalidInput(field, "must be 0 or more; only a correction (corrects_id) may be negative")
    if abs(value) > MAX_QUANTITY:
        raise InvalidInput(field, f"must be at most {MAX_QUANTITY}")
    return value


def _corrects_id(value: object, prefix: str) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**63:
        raise InvalidInput(f"{prefix}corrects_id", "must be the id of a usage event of this tenant")
    return value


def _moment(value: object, now: datetime, field: str) -> datetime | None:
    """An ISO 8601 time with its offset, at most 5 minutes ahead (Stripe's own bound for meter events)."""
    if value is None:
        return None
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InvalidInput(field, "must be an ISO 8601 time with an offset, such as 2026-06-01T09:30:00Z")
    if moment > now + MAX_AHEAD:
        raise InvalidInput(field, "must not be more than 5 minutes ahead")
    if moment.year < 2000:
        raise InvalidInput(field, "must not lie before the year 2000")
    return moment.astimezone(UTC)


def _metadata(value: object, field: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput(field, "must be a JSON object")
    if _depth(value) > MAX_DEPTH:
        raise InvalidInput(field, f"must be nested at most {MAX_DEPTH} levels deep")
    written = json.dumps(value, ensure_ascii=False)
    if len(written.encode(errors="surrogatepass")) > MAX_METADATA_BYTES:
        raise InvalidInput(field, f"must be at most {MAX_METADATA_BYTES} bytes")
    if "\\u0000" in written or not _is_storable(written):
        raise InvalidInput(field, "must be Unicode text without NUL characters")
    if "NaN" in written or "Infinity" in written:
        _refuse_non_finite(value, field)
    return dict(value)


def _depth(value: object) -> int:
    """How deep lists and objects stand in each other; counted level by level, so that no input exhausts the stack."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            inner
            for each in level
            if isinstance(each, Mapping | list)
            for inner in (each.values() if isinstance(each, Mapping) else each)
        ]
    return depth


def _refuse_non_finite(value: object, field: str) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise InvalidInput(field, "must hold finite numbers only") from None


def clean_text(value: object, field: str, *, required: bool, longest: int = MAX_TEXT) -> str | None:
    """A short text that PostgreSQL can keep, or None where it may be absent.

    Raises `InvalidInput`.
    """
    if value is None and not required:
        return None
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(field, f"must be a text of 1 to {longest} characters")
    if len(value) > longest:
        raise InvalidInput(field, f"must be at most {longest} characters")
    if "\x00" in value or not _is_storable(value):
        raise InvalidInput(field, "must be Unicode text without NUL characters")
    return value


def _is_storable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
