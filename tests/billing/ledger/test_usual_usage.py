"""Batches that are as usual, read in one go: the same events as field by field, or none."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.billing.errors import InvalidInput
from dashboard.billing.ledger.usage_input import UsageInput, parse_usages
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.ledger.usual_usage import parse_usual_batch
from tests.factories import NOON, usage_body

TEXTS = [
    "user-7",
    "",
    " ",
    "\u2003",
    "ю",
    "💬",
    "sms:1",
    "a" * 200,
    "a" * 201,
    "\u2028",
    "\x07",
    "\x00",
    "\ud800",
    7,
    None,
]
CHANGES: dict[str, list[object]] = {
    "usage_type": [*USAGE_TYPES, "FAX_SENT", "sms_sent", None, 1],
    "quantity": [0, -1, 10**12, 10**12 + 1, 10**30, 1.0, 2.5, True, "1", None],
    "idempotency_key": [*TEXTS],
    "user_id": [*TEXTS],
    "resource_type": [*TEXTS],
    "resource_id": [*TEXTS],
    "occurred_at": [
        "2026-06-01T09:30:00Z",
        "2026-06-01T09:30:00.123456Z",
        "2026-06-01T09:30:00.1234567Z",
        "2026-06-01T11:30:00.5+02:00",
        "20260601T093000Z",
        "2026-06-01 09:30:00+00:00",
        "2026-06-01T09:30:00",
        "1999-01-01T00:00:00Z",
        "2999-01-01T00:00:00Z",
        "soon",
        1_780_000_000,
        None,
    ],
    "metadata": [{}, None, [], "a", {"": None}, {"a": 1e300}, {"a": 10**30}, {"n": {"n": [1, 2]}}, {"a": "a" * 8_190}],
    "corrects_id": [None, 1],
    "color": ["red"],
}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def read_both_ways(**change: Any) -> tuple[list[UsageInput] | None, list[UsageInput | InvalidInput]]:
    written = json.dumps({"events": [usage_body(), usage_body(**change)]}, ensure_ascii=False)
    body = written.encode("utf-8", "surrogatepass")
    try:
        slow = parse_usages(msgspec.json.decode(body)["events"], NOON)
    except (msgspec.DecodeError, UnicodeDecodeError):
        slow = [InvalidInput("body", "is not JSON")]
    return parse_usual_batch(body, NOON), slow


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, many in CHANGES.items() for value in many])
def test_it_is_read_as_field_by_field_or_not_at_all(field: str, value: object) -> None:
    quick, slow = read_both_ways(**{field: value})
    assert quick in (slow, None)


@given(st.dictionaries(st.text(max_size=5), values, max_size=3), st.text(max_size=12))
def test_so_are_metadata_and_texts_of_all_kinds(metadata: dict[str, Any], text: str) -> None:
    quick, slow = read_both_ways(metadata=metadata, user_id=text)
    assert quick in (slow, None)


def test_usual_events_are_read() -> None:
    raws = [usage_body(metadata={"a": [1, {"b": 2.5}], "c": None}, resource_id="Größe"), usage_body(), usage_body()]
    body = json.dumps({"events": raws}, ensure_ascii=False).encode()
    assert parse_usual_batch(body, NOON) == parse_usages(raws, NOON)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"events": [{}]}',
        b'{"events": {}}',
        b'{"events": [], "more": 1}',
        b'{"events": [' + b"[" * 5_000,
        b'{"events": ["\xff"]}',
        json.dumps({"events": [usage_body(user_id="NUL \x00")]}).encode(),
        json.dumps({"events": [usage_body(user_id="half of a pair \ud800")]}).encode(),
        json.dumps({"events": [usage_body(metadata={"deep": json.loads("[" * 30 + "]" * 30)})]}).encode(),
        json.dumps({"events": [usage_body(metadata={"long": "a" * 9_000})]}).encode(),
        json.dumps({"events": [usage_body(corrects_id=1, quantity=-1)]}).encode(),
        json.dumps({"events": [usage_body(idempotency_key="sms:1")]}).encode(),
        json.dumps({"events": [usage_body(), usage_body(quantity=-1)]}).encode(),
    ],
)
def test_anything_else_is_left_to_who_can_say_what_is_wrong(body: bytes) -> None:
    assert parse_usual_batch(body, NOON) is None
