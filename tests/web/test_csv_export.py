"""CSV: RFC 4180, no formulas from users' texts, and written while the rows are read."""

from __future__ import annotations

import csv
import io
import tracemalloc
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from dashboard.database import db
from dashboard.web.csv_export import csv_response
from dashboard.wiring import now
from tests.factories import usage_body
from tests.platform import bearer, new_tenant

URL = "/api/billing/usage"
MANY = 50_000

_FILL = text(
    """
    INSERT INTO billing_usage (tenant_id, usage_type, quantity, user_id, metadata, source, idempotency_key, fingerprint,
                               occurred_at, recorded_at)
    SELECT :tenant_id, 'SMS_SENT', n % 7, 'person ' || n % 50, '{"campaign": "spring"}', 'test', 'k' || n, 'x',
           CAST(:now AS timestamptz) - n * interval '1 second', :now
      FROM generate_series(1, :count) n
    """
)


def rows_of(answer: TestResponse) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_every_view_comes_as_csv_with_the_figures_of_the_json(client: FlaskClient) -> None:
    _, key = new_tenant()
    events = [usage_body(quantity=n, user_id=user) for n, user in enumerate(("ada", "bob", None), 1)]
    client.post(f"{URL}/events", json=events, headers=bearer(key))
    summary = rows_of(client.get(f"{URL}?format=csv", headers=bearer(key)))
    assert len(summary) == 16
    assert next(row["quantity"] for row in summary if row["usage_type"] == "SMS_SENT") == "6"
    for query, rows in (("view=series", None), ("group_by=user", 3), ("view=events", 3), ("group_by=user&limit=1", 2)):
        found = rows_of(client.get(f"{URL}/SMS_SENT?format=csv&{query}", headers=bearer(key)))
        assert rows is None or len(found) == rows
        assert sum(int(row["quantity"]) for row in found) == 6
    answer = client.get(f"{URL}/SMS_SENT", headers={**bearer(key), "Accept": "text/csv"})
    assert answer.content_type == "text/csv; charset=utf-8; header=present"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="sms_sent-events-')
    assert answer.text.startswith("id,usage_type,quantity,user_id,")
    assert answer.text.endswith("\r\n")
    assert client.get(f"{URL}?format=json", headers={**bearer(key), "Accept": "text/csv"}).is_json


@pytest.mark.parametrize("user", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_users_text_is_no_formula(client: FlaskClient, user: str) -> None:
    _, key = new_tenant()
    made = client.post(f"{URL}/events", json=usage_body(user_id=user, quantity=5), headers=bearer(key))
    client.post(f"{URL}/events/{made.json['id']}/reversal", headers=bearer(key))
    answer = client.get(f"{URL}/SMS_SENT?format=csv", headers=bearer(key))
    rows = list(csv.DictReader(io.StringIO(answer.get_data().decode(), newline="")))
    assert [row["user_id"] for row in rows] == [f"'{user}"] * 2
    assert sorted(row["quantity"] for row in rows) == ["-5", "5"]  # a number of ours stays a number


def test_quotes_commas_and_lines_survive(app: Flask) -> None:
    cells = ['say "hi"', "a,b", "one\r\ntwo", "Zoë", None, True, {"a": "ü"}, 7]
    written = csv_response("x", ["c"] * len(cells), [cells]).get_data().decode()
    (_, read) = csv.reader(io.StringIO(written, newline=""))
    assert read == ['say "hi"', "a,b", "one\r\ntwo", "Zoë", "", "true", '{"a": "ü"}', "7"]


def test_a_long_file_begins_before_its_last_row_is_read(client: FlaskClient) -> None:
    tenant_id, key = new_tenant()
    db.session.execute(_FILL, {"tenant_id": tenant_id, "now": now(), "count": MANY})
    db.session.commit()
    start = (now() - timedelta(days=2)).isoformat()
    query = {"from": start, "format": "csv", "view": "events"}
    tracemalloc.start()
    answer = client.get(f"{URL}/SMS_SENT", query_string=query, headers=bearer(key), buffered=False)
    chunks = iter(answer.response)
    first = next(chunks)
    size, rows = len(first), first.count(b"\n") - 1
    assert rows < MANY / 50
    for chunk in chunks:
        size += len(chunk)
        rows += chunk.count(b"\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    answer.close()
    assert rows == MANY
    assert peak < size / 2, f"{peak} bytes held of a file of {size}"


def test_a_caller_who_reads_slowly_or_hangs_up_keeps_no_connection_from_others(client: FlaskClient) -> None:
    tenant_id, key = new_tenant()
    db.session.execute(_FILL, {"tenant_id": tenant_id, "now": now(), "count": 5_000})
    db.session.commit()
    start = (now() - timedelta(days=2)).isoformat()
    query = {"from": start, "format": "csv"}
    answer = client.get(f"{URL}/SMS_SENT", query_string=query, headers=bearer(key), buffered=False)
    chunks = iter(answer.response)
    next(chunks)
    open_ones = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in %'"
    assert db.session.scalar(text(open_ones)) == 0
    next(chunks)
    answer.close()
    db.session.rollback()
    assert db.session.scalar(text(open_ones)) == 0
