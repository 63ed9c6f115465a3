"""Imports that are killed, stopped, cut off from the database or very long: every event counts once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.database import db, lock_object
from dashboard.models import UsageImportError
from dashboard.wiring import unit_of_work
from tests.cli.command import WHEN, line_reached, run, start, states, stored, write
from tests.factories import make_tenant, usage_body
from tests.platform import run_command
from tests.sandbox_server import wait_until


def assert_verified(app: Flask) -> None:
    assert run_command(app, "usage", "verify") == "0 differences"


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
        with start(file, tenant_id, "--batch", "25"):
            wait_until(lambda start=before: line_reached(tenant_id) >= start + 200, "a committed batch")
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


def interrupt(process: subprocess.Popen[str]) -> None:
    """Press Ctrl-C, and again where it was not heard: Python drops one that falls into an object's last breath."""
    for _ in range(6):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)  # another one while it ends would cut it short
            return


def test_ctrl_c_before_the_first_batch_ends_at_once(app: Flask, tenant_id: int, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    with start(pipe, tenant_id) as process, pipe.open("w"):  # opens once the command reads
        interrupt(process)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 3, output
    assert "stopped at once" in output
    assert states(tenant_id) == []


def end_what_waits_for_a_lock() -> bool:
    """Whether a connection waited for a lock, and is cut off now."""
    waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with unit_of_work() as session:
        return session.scalar(text(f"SELECT pg_terminate_backend(pid) FROM ({waiting}) AS waiting")) is not None


def test_an_import_that_lost_the_database_says_so_and_goes_on_later(app: Flask, tenant_id: int, tmp_path: Path) -> None:
    file = write(tmp_path / "usage.jsonl", usage_body(user_id="ada"), usage_body())
    with Session(db.engine) as holder:
        lock_object(holder, "usage-of", tenant_id)
        with start(file, tenant_id) as process:
            wait_until(end_what_waits_for_a_lock, "the import at the ledger's lock")
            output, _ = process.communicate(timeout=60)
    assert process.returncode == 3, output
    assert "The same command goes on where this one stopped" in output
    assert "ada" not in output
    assert (states(tenant_id), stored(tenant_id)) == (["unfinished"], (0, 0))
    run(app, file, tenant_id)
    assert (states(tenant_id), stored(tenant_id)) == (["complete"], (2, 2))


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
