"""Files as text, read and checked."""

from __future__ import annotations

import io
import json
from contextlib import closing

from dashboard.billing.usage_import.checking import Batch, Checker
from dashboard.billing.usage_import.csv_rows import read_csv
from dashboard.billing.usage_import.lines import Row, read_json_lines
from tests.factories import NOON

TENANT = 7
WHEN = "2026-06-15T10:00:00Z"


def csv_rows(text: str | bytes) -> list[Row]:
    return list(read_csv(io.BytesIO(text.encode() if isinstance(text, str) else text)))


def checked(rows: list[Row], tenant_id: int = TENANT) -> Batch:
    with closing(Checker(tenant_id)) as checker:
        return checker.check_batch(rows, NOON)


def json_batch(*events: object) -> Batch:
    lines = "\n".join(event if isinstance(event, str) else json.dumps(event) for event in events)
    return checked(list(read_json_lines(io.BytesIO(lines.encode()))))


def refusals(batch: Batch) -> list[tuple[int, str]]:
    return [(refusal.line, refusal.field) for refusal in batch.refusals]
