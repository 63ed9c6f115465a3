"""The keys of lines that have none, and the batches they come in."""

from __future__ import annotations

import io
import json
from contextlib import closing
from typing import Any

from dashboard.billing.usage_import.checking import Checker, in_batches
from dashboard.billing.usage_import.lines import Row, read_json_lines
from tests.billing.usage_import.rows import TENANT, WHEN, checked, csv_rows, json_batch
from tests.factories import NOON


def keyless(**more: Any) -> dict[str, Any]:
    return {"usage_type": "SMS_SENT", "quantity": 1, "occurred_at": WHEN, **more}


def test_equal_lines_without_a_key_are_separate_actions_with_the_same_keys_each_time() -> None:
    first, again = (json_batch(keyless(), keyless(quantity=2), keyless()) for _ in range(2))
    keys = [event.idempotency_key for event in first.events]
    assert len(set(keys)) == 3
    assert keys == [event.idempotency_key for event in again.events]


def test_a_made_key_stays_when_lines_around_it_are_mended_or_the_format_changes() -> None:
    before = json_batch("broken", keyless(user_id="ada"))
    mended = json_batch(keyless(), keyless(user_id="ada"))
    as_csv = checked(csv_rows(f"user_id,occurred_at,quantity,usage_type\nada,{WHEN},1,SMS_SENT\n"))
    assert before.events[0] == mended.events[1] == as_csv.events[0]


def test_a_correction_needs_neither_key_nor_time() -> None:
    (event,) = json_batch({"usage_type": "SMS_SENT", "quantity": -1, "corrects_id": 5}).events
    assert event.idempotency_key.startswith("import:")


def test_rows_passed_over_count_for_the_keys_of_later_ones() -> None:
    rows = list(read_json_lines(io.BytesIO("\n".join([json.dumps(keyless())] * 3).encode())))
    whole = checked(rows)
    with closing(Checker(TENANT)) as checker:
        for row in rows[:2]:
            checker.pass_over(row, NOON)
        assert checker.check_batch(rows[2:], NOON).events == whole.events[2:]


def test_a_batch_ends_early_where_rows_are_long() -> None:
    rows = [Row(n, n, n * 60_000) for n in range(1, 201)]
    sizes = [len(batch) for batch in in_batches(rows, 1_000)]
    assert sum(sizes) == 200
    assert max(sizes) * 60_000 <= 4 * 1024 * 1024 + 60_000
    assert [len(batch) for batch in in_batches(rows, 90)] == [70, 70, 60]
