"""A sandbox in which many tenants live at once: its clock, its faults, and workers that die."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session
from stripe import StripeClient

from dashboard.billing.metering import sync_runs
from dashboard.jobs.metering import sync_meters
from dashboard.models import CatalogMeter
from dashboard.wiring import now, unit_of_work, wiring
from embedded.stack import Stack


class Killed(BaseException):
    """The worker is gone."""


class Impatient:
    """A pace that never waits: faults follow each other without pauses."""

    def take(self, count: int) -> None:
        """At once."""

    def hold(self, seconds: float) -> None:
        """Not at all."""

    def wait(self, seconds: float) -> None:
        """Not at all."""


@contextmanager
def killed_at(commit: int, *, after: bool) -> Iterator[None]:
    """Die at the n-th commit, before it or after it."""
    left = [commit]
    whole = Session.commit

    def commit_or_die(session: Session) -> None:
        left[0] -= 1
        if left[0] == 0 and not after:
            raise Killed
        whole(session)
        if left[0] == 0 and after:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "commit", commit_or_die)
        yield


@dataclass
class World:
    """One application and one sandbox process, without a transcript: other tests check what passes."""

    app: Flask
    base: str
    http: requests.Session = field(default_factory=requests.Session)

    @classmethod
    def start_sandbox(cls, stack: Stack, folder: Path) -> tuple[str, Path]:
        """A sandbox of its own: (address, clock file)."""
        clock_file = folder / "clock.json"
        arguments = ["--data", str(folder / "data"), "--stripe-port", "0", "--twilio-port", "0"]
        log = stack.data_dir / "logs" / "fault-sandbox.log"
        stack.spawn(
            "fault-sandbox",
            [sys.executable, "-m", "sandbox", *arguments, "--clock-file", str(clock_file)],
            ready=lambda: log.exists() and "ready " in log.read_text(),
        )
        line = next(line for line in log.read_text().splitlines() if line.startswith("ready "))
        return dict(word.split("=", 1) for word in line.split()[1:])["stripe"], clock_file

    def hurry(self) -> None:
        """Make the application's sender wait for nothing."""
        self.app.extensions["countinghouse"] = replace(wiring(), pace=Impatient())

    @property
    def stripe(self) -> StripeClient:
        """Stripe, to do something behind our back."""
        return wiring().stripe_client

    @cached_property
    def meters(self) -> dict[str, str]:
        """The meter of each usage type at Stripe."""
        with unit_of_work() as session:
            return {meter.usage_type: meter.meter_id for meter in session.scalars(select(CatalogMeter))}

    def control(self, path: str, body: dict[str, Any]) -> None:
        """Use a control of the sandbox."""
        answer = self.http.post(f"{self.base}/_sandbox/{path}", json=body, timeout=60)
        assert answer.status_code == 200, answer.text

    def advance_to(self, moment: datetime) -> None:
        """Let time pass."""
        self.control("clock", {"advance_to": moment.timestamp()})

    def fail(self, kind: str, times: int) -> None:
        """Make the next calls about meter events fail."""
        self.control("faults", {"match": "POST /v1/billing/meter_event", "kind": kind, "times": times})

    def forgive(self) -> None:
        """No more failures."""
        answer = self.http.delete(f"{self.base}/_sandbox/faults", timeout=60)
        assert answer.status_code == 200


def sync_all(tenant_id: int | None = None) -> None:
    """One run of the meter sync, of all tenants or of one, to its end or its death."""
    run_id = None
    try:
        with unit_of_work() as session:
            run_id, _ = sync_runs.request_sync(session, started_by="test", now=now(), tenant_id=tenant_id)
        sync_meters(run_id)
    except Killed:
        if run_id is not None:
            with unit_of_work() as session:
                sync_runs.finish_run(session, run_id, "killed", now())
