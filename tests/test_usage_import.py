"""`flask usage import`: killed, stopped, broken and repeated, and still every event counts once."""

from __future__ import annotations

import csv
import gzip
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import Result
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import func, select, update

from dashboard.database import db
from dashboard.models import UsageEvent, UsageImport, UsageImportError, UsageRollup
from dashboard.wiring import unit_of_work, wiring
from embedded.stack import ROOT
from tests.factories import make_tenant, usage_body
from tests.platform import new_tenant
from tests.sandbox_server import wait_until

WHEN = "2026-06-15T10:00:00Z"


@pytest.fixture
def tenant_id(app: Flask) -> int:
    return new_tenant()[0]


def write(path: Path, *events: object) -> Path:
    path.write_text("".join(f"{event if isinstance(event, str) else json.dumps(event)}\n" for event in events))
    return path


def run(app: Flask, file: Path | str, tenant_id: int, *more: str, code: int = 0, given: bytes | None = None) -> Result:
    argv = ["usage", "import", str(file), "--tenant", str(tenant_id), *more]
    result = app.test_cli_runner().invoke(args=argv, input=given)
    assert result.exit_code == code, result.output
    return result


def start(file: Path, tenant_id: int, *more: str, stderr: int = subprocess.STDOUT) -> subprocess.Popen[str]:
    """The command as a process of its own."""
    argv = [sys.executable, "-m", "flask", "--app", "wsgi", "usage", "import", str(file)]
    return subprocess.Popen(
        [*argv, "--tenant", str(tenant_id), *more],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def environment() -> dict[str, str]:
    """The settings of the application under test, as variables."""
    given = {
        name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in wiring().settings
        if value is not None and name != "pinned"
    }
    return {**os.environ, **given}


def stored(tenant_id: int) -> tuple[int, int]:
    """(Events in the ledger, their total in the rollups)."""
    with unit_of_work() as session:
        events = session.scalar(select(func.count()).where(UsageEvent.tenant_id == tenant_id))
        total = session.scalar(select(func.sum(UsageRollup.quantity)).where(UsageRollup.tenant_id == tenant_id))
        return events or 0, int(total or 0)


def line_reached(tenant_id: int) -> int:
    with unit_of_work() as session:
        return session.scalar(select(func.max(UsageImport.line)).where(UsageImport.tenant_id == tenant_id)) or 0


def states(tenant_id: int) -> list[str]:
    with unit_of_work() as session:
        query = select(UsageImport.state).where(UsageImport.tenant_id == tenant_id).order_by(UsageImport.id)
        return list(session.scalars(query))


def assert_verified(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["usage", "verify"])
    assert (result.exit_code, result.output) == (0, "0 differences\n")


def mixed_events(count: int) -> Iterator[object]:
    """Events with and without a key, many of them equal, and a broken line in every hundred."""
    for n in range(count):
        if n % 100 == 50:
            yield "broken"
        elif n % 2:
            yield usage_body(idempotency_key=f"k{n}", quantity=2, occurred_at=WHEN)
        else:
            yield {"usage_type": "SMS_SENT", "quantity": 3, "user_id": f"u{n % 7}", "occurred_at": WHEN}


def test_a_killed_import_goes_on_where_it_stopped_and_counts_everything_once(
    app: Flask, tenant_id: int, tmp_path: Path
) -> None:
    file = write(tmp_path / "usage.jsonl", *mixed_events(20_000))
    for kill in range(1, 4):
        before = line_reached(tenant_id)
        with start(file, tenant_id, "--batch", "25") as process:
            try:
                wait_until(lambda start=before: line_reached(tenant_id) >= start + 200, "a committed batch")
            finally:
                process.kill()
        assert states(tenant_id) == ["unfinished"], f"kill {kill} came too late"
        assert_verified(app)
    refused = 200
    result = run(app, file, tenant_id, code=1)
    assert f"events: 20,000; 19,800 new, 0 known before, {refused} refused" in result.output
    assert states(tenant_id) == ["complete"]
    assert stored(tenant_id) == (19_800, 10_000 * 2 + 9_800 * 3)
    assert_verified(app)


def test_an_interrupted_import_ends_after_its_batch_and_says_how_to_go_on(
    app: Flask, tenant_id: int, tmp_path: Path
) -> None:
    file = write(tmp_path / "usage.jsonl", *(usage_body() for _ in range(20_000)))
    with start(file, tenant_id, "--batch", "25") as process:
        wait_until(lambda: line_reached(tenant_id) >= 100, "a committed batch")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    reached = line_reached(tenant_id)
    assert process.returncode == 3, output
    assert f"stopped after line {reached:,}; the same command goes on there" in output
    assert stored(tenant_id) == (reached, reached)
    assert f"goes on after line {reached:,}" in run(app, file, tenant_id).output
    assert stored(tenant_id) == (20_000, 20_000)


def test_ctrl_c_before_the_first_batch_ends_at_once(app: Flask, tenant_id: int, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    with start(pipe, tenant_id) as process, pipe.open("w"):  # opens once the command reads
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 3, output
    assert "stopped at once" in output
    assert states(tenant_id) == []


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
        session.execute(UsageImportError.__table__.delete().where(UsageImportError.line == 3))
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


def write_large(path: Path, size: int) -> int:
    """A file of `size` bytes at least, written as it is made; every thousandth line is broken. Answers its lines."""
    lines = 0
    with path.open("w") as file:
        while file.tell() < size:
            for _ in range(999):
                lines += 1
                event = usage_body(idempotency_key=f"k{lines}", occurred_at=WHEN, metadata={"note": "x" * 1_000})
                file.write(json.dumps(event) + "\n")
            lines += 1
            file.write('{"usage_type": "SMS_SENT", "quan\n')
    return lines


def peak_memory(file: Path, tenant_id: int) -> int:
    """Import a file and answer the highest resident memory of the process, in bytes, looked at all along.

    What the system itself keeps as the peak begins with that of the process which started it, so it hides small ones.
    """
    with start(file, tenant_id) as process:
        peak, watched = 0, psutil.Process(process.pid)
        while process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                peak = max(peak, watched.memory_info().rss)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
        assert process.stdout is not None
        assert process.returncode == 1, process.stdout.read()
    return peak


def test_50_megabytes_with_broken_lines_need_no_more_memory_than_5(app: Flask, tenant_id: int, tmp_path: Path) -> None:
    small, large = tmp_path / "small.jsonl", tmp_path / "large.jsonl"
    write_large(small, 5_000_000)
    lines = write_large(large, 50_000_000)
    with unit_of_work() as session:
        other = make_tenant(session).id
    more = peak_memory(large, tenant_id) - peak_memory(small, other)
    assert more < 10_000_000
    assert stored(tenant_id) == (lines - lines // 1_000, lines - lines // 1_000)
    with unit_of_work() as session:
        refused = session.scalars(select(UsageImportError.line).where(UsageImportError.tenant_id == tenant_id))
        assert list(refused) == list(range(1_000, lines + 1, 1_000))
    db.session.remove()
