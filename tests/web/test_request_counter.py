"""API_REQUEST: one for each authenticated call, whatever happens to the process that took it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from dashboard.billing.ledger.api_requests import ApiRequest
from dashboard.billing.ledger.rollups import verify_rollups
from dashboard.database import db
from dashboard.integrations.spool import Spool
from dashboard.jobs.api_requests import record_spooled_requests
from dashboard.jobs.schedule import sweep
from dashboard.models import UsageEvent
from dashboard.web.api.request_counter import flush_now
from dashboard.wiring import wiring
from tests.factories import usage_body
from tests.platform import bearer, new_tenant
from tests.sandbox_server import wait_until

URL = "/api/billing/usage/events"
ROOT = Path(__file__).resolve().parent.parent.parent

# A process that counts for ever, as a web server's does, and says how far it came after each call.
WRITER = """
import sys
from pathlib import Path
from dashboard.billing.ledger.api_requests import ApiRequest
from dashboard.integrations.spool import Spool

spool = Spool(Path(sys.argv[1]))
second = int(sys.argv[3])
for n in range(10**9):
    spool.append(ApiRequest(second + n // 1_000, int(sys.argv[2]), 1, "killed", "GET /api/x").as_line())
    print(n + 1, flush=True)
    if n % 500 == 499:
        spool.close_own()
"""


def counted(tenant_id: int | None = None) -> int:
    db.session.rollback()
    query = select(func.coalesce(func.sum(UsageEvent.quantity), 0)).where(UsageEvent.usage_type == "API_REQUEST")
    if tenant_id is not None:
        query = query.where(UsageEvent.tenant_id == tenant_id)
    return int(db.session.scalar(query) or 0)


def test_each_authenticated_call_counts_with_key_and_route(client: FlaskClient) -> None:
    tenant_id, key = new_tenant()
    for _ in range(3):
        client.post(URL, json=usage_body(), headers=bearer(key))
    client.get(f"{URL}/1", headers=bearer(key))
    client.post(URL, json={"bad": "body"}, headers=bearer(key))
    assert counted() == 0
    assert flush_now() == 5
    rows = db.session.scalars(select(UsageEvent).where(UsageEvent.usage_type == "API_REQUEST")).all()
    totals: Counter[str | None] = Counter()
    for row in rows:
        totals[row.resource_id] += row.quantity
        assert (row.tenant_id, row.user_id, row.resource_type) == (tenant_id, "API key 1", "endpoint")
        assert (row.details, row.source) == ({"api_key": "tests"}, "api requests")
    assert verify_rollups(db.session()) == []
    assert totals == {f"POST {URL}": 4, f"GET {URL}/<int:event_id>": 1}


def test_a_call_without_a_valid_key_does_not_count(client: FlaskClient) -> None:
    tenant_id, key = new_tenant()
    client.post(URL, json=usage_body())
    client.post(URL, json=usage_body(), headers=bearer(f"{key[:-3]}abc"))
    client.get("/login")
    assert flush_now() == 0
    assert counted(tenant_id) == 0


def test_tenants_are_kept_apart(client: FlaskClient) -> None:
    (first, key), (second, other) = new_tenant(), new_tenant()
    for sender in (key, other, other):
        client.post(URL, json=usage_body(), headers=bearer(sender))
    flush_now()
    assert (counted(first), counted(second)) == (1, 2)


def test_nothing_is_lost_or_doubled_when_processes_are_killed(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    folder = wiring().settings.api_request_spool
    second = int(time.time()) - 3_600
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(tenant_id), str(second)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    told = []
    for wanted, writer in zip((700, 1_300, 2_600), writers, strict=True):
        assert writer.stdout is not None
        while int(writer.stdout.readline()) < wanted:
            continue
        record_spooled_requests()  # meanwhile somebody takes what they gave up
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().split("\n")
        told.append(int(rest[-2]) if len(rest) > 1 else wanted)
        assert writer.wait(10) == -signal.SIGKILL
        writer.stdout.close()
    sweep()
    # The one call each was in the middle of may count or not; no other may differ.
    assert sum(told) <= counted(tenant_id) <= sum(told) + len(writers)
    assert list(folder.iterdir()) == []
    before = counted(tenant_id)
    assert record_spooled_requests() == 0
    assert counted(tenant_id) == before


def test_a_segment_recorded_before_a_crash_is_not_counted_again(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    folder = wiring().settings.api_request_spool
    spool = Spool(folder)
    for n in range(50):
        spool.append(ApiRequest(1_780_000_000 + 10 * n, tenant_id, 1 + n % 2, "name", "GET /api/x").as_line())
    spool.close_own()
    (path,) = folder.iterdir()
    content = path.read_bytes()
    assert record_spooled_requests() == 50
    path.write_bytes(content)  # as if the process had died between commit and delete
    assert record_spooled_requests() == 50
    assert counted(tenant_id) == 50


def test_what_cannot_be_recorded_waits_and_keeps_nothing_else(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    spool = Spool(wiring().settings.api_request_spool)
    for tenant in (tenant_id, 999_999):
        spool.append(ApiRequest(1_780_000_000, tenant, 1, "name", "GET /api/x").as_line())
        spool.close_own()
    record_spooled_requests()
    assert counted(tenant_id) == 1
    assert len(list(wiring().settings.api_request_spool.iterdir())) == 1


def test_a_full_disk_is_slower_but_loses_nothing(client: FlaskClient) -> None:
    tenant_id, key = new_tenant()
    folder = wiring().settings.api_request_spool
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file where the folder should be")
    assert client.post(URL, json=usage_body(), headers=bearer(key)).status_code == 201
    assert counted(tenant_id) == 1


class TestThread:
    """The flusher as it runs in production, only more often."""

    @pytest.fixture
    def more_settings(self, tmp_path: Path) -> dict[str, object]:
        # Its thread outlives the test: what the next one spools is not its business.
        return {"spool_interval": 0.05, "spool_folder": tmp_path / "spool"}

    def test_calls_reach_the_ledger_by_themselves(self, app: Flask, client: FlaskClient) -> None:
        tenant_id, key = new_tenant()
        for _ in range(4):
            client.post(URL, json=usage_body(), headers=bearer(key))
        wait_until(lambda: counted(tenant_id) == 4, "the flusher", 20)
        client.post(URL, json=usage_body(), headers=bearer(key))
        wait_until(lambda: counted(tenant_id) == 5, "the flusher's second round", 20)
