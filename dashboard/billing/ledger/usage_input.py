"""What may come into the ledger: one usage event as the caller gives it, checked field by field.

Every event of a batch of 1,000 passes here, so the checks of a good event are written to cost a few microseconds;
what is wrong with a bad one is worked out only then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from math import isfinite
from typing import Any

import msgspec

from dashboard.billing.errors import InvalidInput
from dashboard.billing.fields import MAX_ID, need_moment, need_object, need_text, take_text
from dashboard.billing.ledger.usage_types import LEVELS, USAGE_TYPES

# Stripe takes meter values of at most 15 digits; a single action stays far below that.
MAX_QUANTITY = 10**12
MAX_AHEAD = timedelta(minutes=5)
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
# The keys of what Countinghouse records and reserves by itself. A service that recorded under one would keep that from
# being counted, and one that reserved under one would let a text or call pass a cap.
OUR_PREFIXES = ("sms:", "call:", "text:", "webhook:", "storage:", "api:", "import:", "reversal:")
_encode_sorted = msgspec.json.Encoder(order="deterministic").encode
_encode = msgspec.json.Encoder().encode


class UsageInput(msgspec.Struct, frozen=True, gc=False):
    """A checked usage event. `occurred_at` (aware UTC) None means: when we take it in.

    `fingerprint` is the SHA-256 of everything but the key, so that a repeat can be told from another body.
    """

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


def parse_usages(raws: Sequence[object], now: datetime) -> list[UsageInput | InvalidInput]:
    """Check each event that a service sent: the checked event, or what is wrong with it, in the same order."""
    parsed: list[UsageInput | InvalidInput] = []
    for raw in raws:
        try:
            event = parse_usage(raw, now)
            refuse_our_key(event.idempotency_key, "idempotency_key")
            parsed.append(event)
        except InvalidInput as problem:
            parsed.append(problem)
    return parsed


def refuse_our_key(key: str, field: str) -> None:
    """Make sure that a key which a service chose is none that Countinghouse records or reserves under.

    Raises `InvalidInput`.
    """
    if key.startswith(OUR_PREFIXES):
        raise InvalidInput(field, f"must not begin with {', '.join(OUR_PREFIXES)}: such keys are Countinghouse's own")


def parse_usage(raw: object, now: datetime) -> UsageInput:
    """Check one usage event as it was sent (a JSON object).

    Raises `InvalidInput` with the field and what is allowed.
    """
    given = need_object(raw, FIELDS, "event").get
    corrects_id = _corrects_id(given("corrects_id"))
    usage_type = _usage_type(given("usage_type"), is_correction=corrects_id is not None)
    quantity = _quantity(given("quantity"), is_correction=corrects_id is not None)
    user_id = take_text(given("user_id"), "user_id")
    resource_type = take_text(given("resource_type"), "resource_type")
    resource_id = take_text(given("resource_id"), "resource_id")
    occurred_at = moment_of(given("occurred_at"), now)
    if corrects_id is not None and occurred_at is not None:
        raise InvalidInput("occurred_at", "must be left out: a correction takes the time of the event it corrects")
    metadata = given("metadata")
    written = check_metadata(metadata)
    key = need_text(given("idempotency_key"), "idempotency_key")
    print_ = fingerprint_of(
        usage_type, quantity, user_id, resource_type, resource_id, corrects_id, occurred_at, written
    )
    return UsageInput(
        usage_type,
        quantity,
        key,
        occurred_at,
        user_id,
        resource_type,
        resource_id,
        metadata if type(metadata) is dict else dict(metadata or {}),
        corrects_id,
        print_,
    )


def fingerprint_of(
    usage_type: str,
    quantity: int,
    user_id: str | None,
    resource_type: str | None,
    resource_id: str | None,
    corrects_id: int | None,
    occurred_at: datetime | None,
    metadata: bytes,
) -> bytes:
    """SHA-256 of a usage event but for its key; `metadata` as `check_metadata` writes it."""
    given = (
        usage_type,
        quantity,
        user_id,
        resource_type,
        resource_id,
        corrects_id,
        occurred_at,
        msgspec.Raw(metadata),
    )
    return sha256(_encode(given)).digest()


def fingerprint(given: Mapping[str, object]) -> bytes:
    """SHA-256 of what the caller gave, whatever the order of its keys."""
    return sha256(_encode_sorted(given)).digest()


def _usage_type(value: object, *, is_correction: bool) -> str:
    if not isinstance(value, str) or value not in USAGE_TYPES:
        raise InvalidInput("usage_type", f"must be one of {', '.join(USAGE_TYPES)}")
    if is_correction and value in LEVELS:
        raise InvalidInput("corrects_id", f"{value} is a level: record a new reading instead")
    return value


def _quantity(value: object, *, is_correction: bool) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidInput("quantity", "must be a whole number")
    if value < 0 and not is_correction:
        raise InvalidInput("quantity", "must be 0 or more; only a correction (corrects_id) may be negative")
    if abs(value) > MAX_QUANTITY:
        raise InvalidInput("quantity", f"must be at most {MAX_QUANTITY}")
    return value


def _corrects_id(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_ID:
        raise InvalidInput("corrects_id", "must be the id of a usage event of this tenant")
    return value


def moment_of(value: object, now: datetime) -> datetime | None:
    """An ISO 8601 time with its offset, at most 5 minutes ahead (Stripe's own bound for meter events), in UTC.

    Raises `InvalidInput`.
    """
    if value is None:
        return None
    moment = need_moment(value, "occurred_at")
    if moment.year < 2000:
        raise InvalidInput("occurred_at", "must not lie before the year 2000")
    if moment > now + MAX_AHEAD:
        raise InvalidInput("occurred_at", "must not be more than 5 minutes ahead")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def check_metadata(metadata: object) -> bytes:
    """The metadata as JSON with sorted keys. Raises `InvalidInput` for what cannot be kept."""
    if metadata is None:
        return b"{}"
    if type(metadata) is not dict and not isinstance(metadata, Mapping):
        raise InvalidInput("metadata", "must be a JSON object")
    try:
        written = _encode_sorted(metadata)
    except RecursionError:
        raise InvalidInput("metadata", f"must be nested at most {MAX_DEPTH} levels deep") from None
    except UnicodeEncodeError:
        raise InvalidInput("metadata", "must be Unicode text without NUL characters") from None
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput("metadata", "must hold JSON values only") from None
    # Each of these is needed for the fault in question, and none stands in usual metadata.
    if written.count(b"{") + written.count(b"[") > MAX_DEPTH or b"null" in written or b"\\u0000" in written:
        _look_inside(metadata)
    if len(written) > MAX_METADATA_BYTES:
        raise InvalidInput("metadata", f"must be at most {MAX_METADATA_BYTES} bytes")
    return written


def _look_inside(metadata: Mapping[str, Any]) -> None:
    """Every value, level by level, so that no input exhausts the stack."""
    depth = 0
    level: list[Any] = [metadata]
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise InvalidInput("metadata", f"must be nested at most {MAX_DEPTH} levels deep")
        inner: list[Any] = []
        for each in level:
            if isinstance(each, Mapping):
                inner.extend(each.keys())
                inner.extend(each.values())
            else:
                inner.extend(each)
        for value in inner:
            if isinstance(value, str) and "\x00" in value:
                raise InvalidInput("metadata", "must be Unicode text without NUL characters")
            if isinstance(value, float) and not isfinite(value):
                raise InvalidInput("metadata", "must hold finite numbers only")
        level = [value for value in inner if isinstance(value, Mapping | list | tuple)]
