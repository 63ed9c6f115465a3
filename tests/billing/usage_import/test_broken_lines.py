"""A broken line is named with its field and what is allowed; its neighbours are in."""

from __future__ import annotations

import io
import json

import pytest

from dashboard.billing.usage_import.lines import read_json_lines
from tests.billing.usage_import.rows import checked, csv_rows, refusals
from tests.factories import usage_body

BROKEN: dict[str, tuple[bytes, str]] = {
    "not JSON": (b'{"usage_type": "SMS_SENT", "quantity": 1', "line"),
    "not an object": (b"[1, 2]", "event"),
    "a byte that is not UTF-8": (b'{"usage_type": "SMS_SENT\xff"}', "line"),
    "a NUL byte": (b'{"usage_type": "SMS\x00SENT"}', "line"),
    "a line that is too long": (b'{"user_id": "' + b"x" * 70_000 + b'"}', "line"),
    "endless nesting": (b"[" * 60_000, "line"),
    "an endless number": (b'{"quantity": ' + b"9" * 5_000 + b"}", "line"),
    "an unknown field": (b'{"usage_type": "SMS_SENT", "quantity": 1, "price": 2}', "price"),
    "an unknown field of surrogates": (b'{"\\ud800\\u0000": 1}', "\\ud800\\x00"),
    "an unknown usage type": (b'{"usage_type": "FAX", "quantity": 1, "idempotency_key": "a"}', "usage_type"),
    "no quantity": (b'{"usage_type": "SMS_SENT", "idempotency_key": "a"}', "quantity"),
    "half a segment": (b'{"usage_type": "SMS_SENT", "quantity": 1.5, "idempotency_key": "a"}', "quantity"),
    "a negative quantity": (b'{"usage_type": "SMS_SENT", "quantity": -1, "idempotency_key": "a"}', "quantity"),
    "a time without offset": (
        b'{"usage_type": "SMS_SENT", "quantity": 1, "occurred_at": "2026-06-01T00:00:00"}',
        "occurred_at",
    ),
    "a time ahead": (
        b'{"usage_type": "SMS_SENT", "quantity": 1, "occurred_at": "2099-01-01T00:00:00Z"}',
        "occurred_at",
    ),
    "another tenant": (
        b'{"usage_type": "SMS_SENT", "quantity": 1, "idempotency_key": "a", "tenant_id": 8}',
        "tenant_id",
    ),
    "a tenant that is true": (
        b'{"usage_type": "SMS_SENT", "quantity": 1, "idempotency_key": "a", "tenant_id": true}',
        "tenant_id",
    ),
    "an empty key": (b'{"usage_type": "SMS_SENT", "quantity": 1, "idempotency_key": ""}', "idempotency_key"),
    "neither key nor time": (b'{"usage_type": "SMS_SENT", "quantity": 1}', "idempotency_key"),
    "metadata that is a list": (
        b'{"usage_type": "SMS_SENT", "quantity": 1, "idempotency_key": "a", "metadata": []}',
        "metadata",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_json_line_is_named_and_its_neighbours_are_in(kind: str) -> None:
    broken, field = BROKEN[kind]
    good = [json.dumps(usage_body(idempotency_key=key)).encode() for key in ("before", "after")]
    batch = checked(list(read_json_lines(io.BytesIO(b"\n".join([good[0], broken, good[1]])))))
    assert refusals(batch) == [(2, field)]
    assert [event.idempotency_key for event in batch.events] == ["before", "after"]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (b"SMS_SENT,1,a,,,", "line"),
        (b'SMS_SENT,1,"a"b,', "line"),
        (b"SMS_SENT,1,\xc3,", "line"),
        (b"SMS_SENT,1,\x00,", "line"),
        (b"SMS_SENT,1," + b"x" * 70_000 + b",", "line"),
        (b"SMS_SENT,1_000,a,", "quantity"),
        (b"SMS_SENT,1.0,a,", "quantity"),
        (b"SMS_SENT," + b"9" * 5_000 + b",a,", "quantity"),
        (b"SMS_SENT,,a,", "quantity"),
        (b'SMS_SENT,1,a,"{"', "metadata"),
        (b"SMS_SENT,1,a,5", "metadata"),
    ],
)
def test_a_broken_csv_row_is_named_and_its_neighbours_are_in(row: bytes, field: str) -> None:
    text = b"usage_type,quantity,idempotency_key,metadata\nSMS_SENT,1,k1,\n" + row + b"\nSMS_SENT,1,k2,\n"
    batch = checked(csv_rows(text))
    assert refusals(batch) == [(3, field)]
    assert [event.idempotency_key for event in batch.events] == ["k1", "k2"]
