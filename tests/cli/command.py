"""The command, run here or as a process of its own, and what it left in the database."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from click.testing import Result
from flask import Flask
from sqlalchemy import func, select

from dashboard.models import UsageEvent, UsageImport, UsageRollup
from dashboard.wiring import unit_of_work, wiring
from embedded.stack import ROOT
from tests.served import environment_of

WHEN = "2026-06-15T10:00:00Z"


def write(path: Path, *events: object) -> Path:
    path.write_text("".join(f"{event if isinstance(event, str) else json.dumps(event)}\n" for event in events))
    return path


def run(app: Flask, file: Path | str, tenant_id: int, *more: str, code: int = 0, given: bytes | None = None) -> Result:
    argv = ["usage", "import", str(file), "--tenant", str(tenant_id), *more]
    result = app.test_cli_runner().invoke(args=argv, input=given)
    assert result.exit_code == code, result.output
    return result


@contextmanager
def start(file: Path, tenant_id: int, *more: str, stderr: int = subprocess.STDOUT) -> Iterator[subprocess.Popen[str]]:
    """The command as a process of its own, killed at the end if it still runs."""
    argv = [sys.executable, "-m", "flask", "--app", "wsgi", "usage", "import", str(file)]
    with subprocess.Popen(
        [*argv, "--tenant", str(tenant_id), *more],
        cwd=ROOT,
        env=environment_of(wiring().settings),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


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
