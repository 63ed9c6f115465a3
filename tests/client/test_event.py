"""What the client can tell by itself, it tells at once; and it agrees with the server about what is allowed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from countinghouse_client import USAGE_TYPES
from countinghouse_client.event import MAX_METADATA_BYTES, MAX_QUANTITY, encode, new_key

from dashboard.billing.errors import InvalidInput
from dashboard.billing.ledger import usage_input
from dashboard.billing.ledger import usage_types as ours

NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
NOTHING = {"user": None, "resource": None, "metadata": None, "key": None, "occurred_at": None}


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1)} if levels else {}


def sent(**fields: Any) -> dict[str, Any]:
    given = {"usage_type": "SMS_SENT", "quantity": 1, **NOTHING, **fields}
    line, key = encode(given.pop("usage_type"), given.pop("quantity"), **given)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    event: dict[str, Any] = json.loads(line)
    assert event["idempotency_key"] == key
    return event


BAD: list[tuple[str, Any]] = [
    ("usage_type", "FAX_SENT"),
    ("usage_type", None),
    ("quantity", -1),
    ("quantity", 1.5),
    ("quantity", True),
    ("quantity", MAX_QUANTITY + 1),
    ("user", ""),
    ("user", "a" * 201),
    ("user", 7),
    ("user", "a\x00b"),
    ("user", "\ud800"),
    ("resource", "conversation"),
    ("resource", ("conversation",)),
    ("resource", ("conversation", 17)),
    ("metadata", [1]),
    ("metadata", {"a": object()}),
    ("metadata", {"a": float("nan")}),
    ("metadata", {"a": "\x00"}),
    ("metadata", {"a": "\ud800"}),
    ("metadata", {"a": "x" * MAX_METADATA_BYTES}),
    ("metadata", nested(20)),
    ("metadata", nested(900)),
    ("key", " "),
    ("occurred_at", "2026-06-01"),
    ("occurred_at", datetime(2026, 6, 1)),  # noqa: DTZ001 (that is what is wrong with it)
    ("occurred_at", datetime(1999, 1, 1, tzinfo=UTC)),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_bad_value_is_an_error_that_names_the_field(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field} must"):
        sent(**{field: value})


GOOD: list[dict[str, Any]] = [
    {},
    {"user": "Zoë 🙏", "resource": ("conversation", "c-17"), "metadata": {"text": 'line\nbreak "quoted" \\'}},
    {"user": "a" * 200, "quantity": 0, "key": "k" * 200},
    {"quantity": MAX_QUANTITY, "metadata": nested(19)},
    {"metadata": {"a": "x" * (MAX_METADATA_BYTES - 8)}},
    {"occurred_at": NOW},
]


@pytest.mark.parametrize("fields", GOOD)
def test_what_the_client_takes_the_server_takes(fields: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    event = usage_input.parse_usage(sent(**fields), now)
    assert event.user_id == fields.get("user")
    assert event.metadata == fields.get("metadata", {})
    assert event.occurred_at is not None
    assert abs((event.occurred_at - fields.get("occurred_at", now)).total_seconds()) < 60


def test_a_byte_more_of_metadata_is_refused_by_both() -> None:
    too_much = {"a": "x" * (MAX_METADATA_BYTES - 7)}
    with pytest.raises(ValueError, match="metadata"):
        sent(metadata=too_much)
    with pytest.raises(InvalidInput, match="metadata"):
        usage_input.parse_usage({**sent(), "metadata": too_much}, datetime.now(UTC))


def test_client_and_server_know_the_same_usage_types() -> None:
    assert set(ours.USAGE_TYPES) == USAGE_TYPES


def test_keys_are_unique_and_ordered_by_time() -> None:
    before = datetime.now(UTC)
    keys = [UUID(new_key()) for _ in range(1_000)]
    assert len(set(keys)) == 1_000
    assert {(key.version, key.variant) for key in keys} == {(7, "specified in RFC 4122")}
    times = [key.int >> 80 for key in keys]
    assert times == sorted(times)
    assert int(before.timestamp() * 1_000) <= times[0] <= times[-1] <= int(datetime.now(UTC).timestamp() * 1_000)
