"""`flask usage import`: what is in, what is refused and what an operator is told."""

from __future__ import annotations

import csv
import gzip
import json
import os
import pty
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from dashboard.models import UsageImport, UsageImportError, UsageRollup
from dashboard.wiring import unit_of_work
from tests.cli.command import WHEN, run, start, states, stored, write
from tests.factories import make_tenant, usage_body


@pytest.mark.parametrize("name", ["usage.jsonl", "usage.csv", "usage.jsonl.gz"])
def test_a_file_imported_twice_counts_once(app: Flask, tenant_id: int, tmp_path: Path, name: str) -> None:
    keyless = {"usage_type": "SMS_SENT", "quantity": 1, "occurred_at": WHEN}
    file = write(tmp_path / name, usage_body(quantity=5), keyless, keyless)
    if name.endswith(".csv"):
        file.write_text(
            f"usage_type,quantity,idempotency_key,occurred_at\nSMS_SENT,5,k,\n{f'SMS_SENT,1,,{WHEN}{chr(10)}' * 2}"
        )
    if name.endswith(".gz"):
        file.write_bytes(gzip.compress(file.read_bytes()))
    assert "events: 3; 3 new, 0 known before, 0 refused" in run(app, file, tenant_id).output
    assert "events: 3; 0 new, 3 known before, 0 refused" in run(app, file, tenant_id).output
    assert stored(tenant_id) == (3, 7)
    assert states(tenant_id) == ["complete", "complete"]


def test_a_file_mended_in_place_adds_only_what_was_refused(app: Flask, tenant_id: int, tmp_path: Path) -> None:
    keyless = {"usage_type": "SMS_SENT", "quantity": 1, "occurred_at": WHEN}
    file = write(tmp_path / "usage.jsonl", keyless, "{broken", keyless)
    run(app, file, tenant_id, code=1)
    write(file, keyless, {**keyless, "quantity": 10}, keyless)
    assert "events: 3; 1 new, 2 known before, 0 refused" in run(app, file, tenant_id).output
    assert stored(tenant_id) == (3, 12)


def test_restart_reads_from_the_beginning_and_still_counts_once(app: Flask, tenant_id: int, tmp_path: Path) -> None:
    file = write(tmp_path / "usage.jsonl", *(usage_body() for _ in range(10)))
    run(app, file, tenant_id)
    with unit_of_work() as session:  # as a kill after the fourth line would have left it
        mine = UsageImport.tenant_id == tenant_id
        session.execute(update(UsageImport).where(mine).values(state="unfinished", line=4, new_events=4))
    assert "events: 10; 0 new, 10 known before" in run(app, file, tenant_id, "--restart").output
    assert states(tenant_id) == ["abandoned", "complete"]
    assert stored(tenant_id) == (10, 10)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_refused_lines_are_counted_named_stored_and_reported(
    app: Flask, tenant_id: int, tmp_path: Path, suffix: str
) -> None:
    wrong = [usage_body(quantity="two") for _ in range(22)]
    file = write(tmp_path / "usage.jsonl", usage_body(), *wrong, usage_body(usage_type="FAX"), usage_body())
    report = tmp_path / f"refused.{suffix}"
    output = run(app, file, tenant_id, "--report", str(report), code=1).output
    assert "events: 25; 2 new, 0 known before, 23 refused" in output
    assert "22 × quantity: must be a whole number" in output
    assert "1 × usage_type: must be one of SMS_SENT" in output
    assert "the first 20 lines refused" in output
    assert "line 21: quantity: must be a whole number" in output
    assert "line 22: " not in output
    with report.open() as lines:
        reported = list(csv.DictReader(lines)) if suffix == "csv" else [json.loads(line) for line in lines]
    assert [int(row["line"]) for row in reported] == list(range(2, 25))
    with unit_of_work() as session:
        rows = session.scalars(select(UsageImportError.field).where(UsageImportError.tenant_id == tenant_id))
        assert list(rows) == [row["field"] for row in reported]


def test_the_report_of_a_resumed_import_names_the_lines_of_its_earlier_runs(
    app: Flask, tenant_id: int, tmp_path: Path
) -> None:
    file = write(tmp_path / "usage.jsonl", "broken", usage_body(), "broken too")
    run(app, file, tenant_id, code=1)
    with unit_of_work() as session:  # as a kill after the second line would have left it
        mine = UsageImport.tenant_id == tenant_id
        session.execute(update(UsageImport).where(mine).values(state="unfinished", line=2, refused=1))
        session.execute(delete(UsageImportError).where(UsageImportError.line == 3))
    report = tmp_path / "refused.jsonl"
    run(app, file, tenant_id, "--report", str(report), code=1)
    assert [json.loads(line)["line"] for line in report.read_text().splitlines()] == [1, 3]


def test_a_dry_run_finds_the_same_and_stores_nothing(app: Flask, tenant_id: int, tmp_path: Path) -> None:
    known = usage_body()
    run(app, write(tmp_path / "first.jsonl", known), tenant_id)
    other = {**known, "quantity": 2}
    file = write(tmp_path / "second.jsonl", known, other, usage_body(), "broken")
    output = run(app, file, tenant_id, "--dry-run", code=1).output
    assert "nothing is stored" in output
    assert "events: 4; 1 new, 1 known before, 2 refused" in output
    assert stored(tenant_id) == (1, 1)
    assert states(tenant_id) == ["complete"]


def test_a_terminal_shows_a_bar_and_a_log_a_line_for_each_tenth(app: Flask, tenant_id: int, tmp_path: Path) -> None:
    file = write(tmp_path / "usage.jsonl", *(usage_body(quantity=7) for _ in range(100)))
    terminal, end = pty.openpty()
    with (
        os.fdopen(terminal, "rb", buffering=0) as shown,
        start(file, tenant_id, "--batch", "10", stderr=end) as process,
    ):
        os.close(end)
        assert process.wait(60) == 0
        bar = shown.read(100_000).decode()
    assert "100%" in bar
    assert "100 events" in bar
    log = run(app, file, tenant_id, "--batch", "5").stderr.splitlines()
    assert [line.split("%")[0].strip() for line in log] == [str(tenth) for tenth in range(10, 101, 10)]


def test_standard_input_is_a_file_too(app: Flask, tenant_id: int) -> None:
    given = gzip.compress(json.dumps(usage_body()).encode())
    assert "events: 1; 1 new" in run(app, "-", tenant_id, "--format", "jsonl", given=given).output
    assert "give --format" in run(app, "-", tenant_id, given=given, code=2).output


def test_an_event_of_a_closed_month_counts_there(app: Flask, tenant_id: int, tmp_path: Path) -> None:
    run(app, write(tmp_path / "old.jsonl", usage_body(quantity=4, occurred_at="2024-02-29T23:59:59Z")), tenant_id)
    with unit_of_work() as session:
        bucket = session.scalars(select(UsageRollup).where(UsageRollup.tenant_id == tenant_id)).one()
        assert (bucket.bucket_start.isoformat(), bucket.quantity) == ("2024-02-29T23:00:00+00:00", 4)


def test_one_tenants_import_is_none_of_anothers(app: Flask, tenant_id: int, tmp_path: Path) -> None:
    with unit_of_work() as session:
        other = make_tenant(session).id
    file = write(tmp_path / "usage.jsonl", usage_body())
    run(app, file, tenant_id)
    assert "events: 1; 1 new" in run(app, file, other).output


@pytest.mark.parametrize(
    ("content", "more", "told"),
    [
        ("usage_type,price\n", (), "price"),
        ("", (), "empty"),
        ("usage_type,quantity\n", ("--tenant", "99"), "there is no tenant 99"),
        ("usage_type,quantity\n", ("--batch", "0"), "--batch"),
        ("usage_type,quantity\n", ("--report", "usage.csv"), "must not be the file to import"),
        ("usage_type,quantity\n", ("--report", "nowhere/refused.csv"), "report: cannot be written"),
    ],
)
def test_wrong_usage_ends_with_2_and_stores_nothing(
    app: Flask, tenant_id: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, more: Any, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "usage.csv").write_text(content)
    assert told in run(app, "usage.csv", tenant_id, *more, code=2).output
    assert states(tenant_id) == []
