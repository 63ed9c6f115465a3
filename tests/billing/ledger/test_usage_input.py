"""What may come into the ledger, and how a refusal reads."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from dashboard.billing.errors import InvalidInput
from dashboard.billing.ledger.usage_input import UsageInput, parse_usage, parse_usages
from dashboard.billing.ledger.usage_types import FAMILIES, USAGE_TYPES
from tests.factories import NOON, usage_body

SIXTEEN = [
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
]


def test_the_registry_holds_the_sixteen_types() -> None:
    assert list(USAGE_TYPES) == SIXTEEN
    assert all(kind.unit and kind.label for kind in USAGE_TYPES.values())
    assert [kind.name for kind in USAGE_TYPES.values() if kind.is_level] == ["STORAGE_USED_MB"]


def test_every_type_is_charted_in_one_family() -> None:
    charted = [name for family in FAMILIES.values() for name in family.types]
    assert sorted(charted) == sorted(SIXTEEN)
    assert max(len(family.types) for family in FAMILIES.values()) <= 5


def test_every_meter_has_its_own_setting() -> None:
    settings = {kind.meter_setting for kind in USAGE_TYPES.values()}
    assert len(settings) == len(USAGE_TYPES)
    assert settings >= {
        "STRIPE_METER_SMS_SENT",
        "STRIPE_METER_CALL_DURATION",
        "STRIPE_METER_AI_MESSAGE",
        "STRIPE_METER_AI_VOICE",
    }


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"usage_type": "FAX_SENT"}, "usage_type", "must be one of SMS_SENT"),
        ({"usage_type": None}, "usage_type", "must be one of"),
        ({"quantity": -1}, "quantity", "0 or more"),
        ({"quantity": 1.5}, "quantity", "whole number"),
        ({"quantity": True}, "quantity", "whole number"),
        ({"quantity": "3"}, "quantity", "whole number"),
        ({"quantity": 10**13}, "quantity", "at most"),
        ({"occurred_at": "2026-06-15T12:05:01+00:00"}, "occurred_at", "5 minutes ahead"),
        ({"occurred_at": "2026-06-15T12:00:00"}, "occurred_at", "with an offset"),
        ({"occurred_at": "yesterday"}, "occurred_at", "ISO 8601"),
        ({"occurred_at": 5}, "occurred_at", "ISO 8601"),
        ({"metadata": ["a"]}, "metadata", "JSON object"),
        ({"metadata": "a"}, "metadata", "JSON object"),
        ({"metadata": {"a": "\x00"}}, "metadata", "NUL"),
        ({"metadata": {"a": float("nan")}}, "metadata", "finite"),
        ({"metadata": {"a": "x" * 9_000}}, "metadata", "8192 bytes"),
        ({"metadata": {"a": [[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]}}, "metadata", "20 levels"),
        ({"idempotency_key": ""}, "idempotency_key", "1 to 200"),
        ({"idempotency_key": None}, "idempotency_key", "1 to 200"),
        ({"idempotency_key": "x" * 201}, "idempotency_key", "at most 200"),
        ({"user_id": 7}, "user_id", "text"),
        ({"resource_id": "a\x00b"}, "resource_id", "NUL"),
        ({"resource_id": "\ud800"}, "resource_id", "Unicode"),
        ({"corrects_id": "7"}, "corrects_id", "id of a usage event"),
        ({"usage_type": "STORAGE_USED_MB", "corrects_id": 7}, "corrects_id", "new reading"),
        ({"corrects_id": 7, "occurred_at": "2026-06-15T11:00:00Z"}, "occurred_at", "left out"),
        ({"metadata": {"a": object()}}, "metadata", "JSON values"),
        ({"tenant_id": 2}, "tenant_id", "not a field"),
    ],
)
def test_a_bad_field_is_named_with_what_is_allowed(change: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_usage(usage_body(**change), NOON)
    assert refusal.value.field == field
    assert words in refusal.value.message


def test_each_event_of_a_batch_is_checked_for_itself() -> None:
    good, bad, no_object = parse_usages([usage_body(), usage_body(quantity=-1), 7], NOON)
    assert isinstance(good, UsageInput)
    assert isinstance(bad, InvalidInput)
    assert bad.field == "quantity"
    assert isinstance(no_object, InvalidInput)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidInput):
        parse_usage([1], NOON)


def test_five_minutes_ahead_is_taken() -> None:
    event = parse_usage(usage_body(occurred_at=(NOON + timedelta(minutes=5)).isoformat()), NOON)
    assert event.occurred_at == NOON + timedelta(minutes=5)


def test_a_time_of_any_zone_becomes_utc() -> None:
    event = parse_usage(usage_body(occurred_at="2026-06-15T13:00:00+02:00"), NOON)
    assert event.occurred_at is not None
    assert event.occurred_at.tzinfo is UTC
    assert event.occurred_at.hour == 11


def test_a_negative_correction_is_taken() -> None:
    assert parse_usage(usage_body(quantity=-4, corrects_id=9), NOON).quantity == -4


def test_a_text_that_only_looks_like_an_escaped_nul_is_taken() -> None:
    assert parse_usage(usage_body(metadata={"a": "\\u0000", "b": None}), NOON).metadata["a"] == "\\u0000"


def test_a_whole_number_of_any_size_is_kept_as_it_is() -> None:
    assert parse_usage(usage_body(metadata={"a": 10**30}), NOON).metadata == {"a": 10**30}


def test_the_fingerprint_does_not_depend_on_the_order_of_the_metadata() -> None:
    one, other = {"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}
    prints = {parse_usage(usage_body(metadata=metadata), NOON).fingerprint for metadata in (one, other)}
    assert len(prints) == 1


@pytest.mark.parametrize(
    "change",
    [{"quantity": 2}, {"user_id": "a"}, {"resource_id": "a"}, {"metadata": {"a": 1}}, {"usage_type": "CALL_MADE"}],
)
def test_any_other_body_has_another_fingerprint(change: dict[str, object]) -> None:
    body = usage_body()
    assert parse_usage(body, NOON).fingerprint != parse_usage({**body, **change}, NOON).fingerprint
