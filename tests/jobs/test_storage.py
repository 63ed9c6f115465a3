"""STORAGE_USED_MB: one reading a day, of new ledger rows, small tables and files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, text

from dashboard.database import db
from dashboard.jobs.schedule import sweep
from dashboard.jobs.storage import measure_storage
from dashboard.models import StorageReading, Tenant, UsageEvent
from dashboard.wiring import now, unit_of_work, wiring
from tests.factories import record
from tests.platform import new_tenant, work_off
from tests.sandbox_server import SandboxServer

DAY = timedelta(days=1)


@pytest.fixture
def more_settings(tmp_path: Path) -> dict[str, object]:
    return {"storage_root": tmp_path}


def readings(tenant_id: int) -> list[StorageReading]:
    db.session.rollback()
    query = select(StorageReading).where(StorageReading.tenant_id == tenant_id).order_by(StorageReading.day)
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def levels(tenant_id: int) -> list[tuple[int, str]]:
    db.session.rollback()
    query = select(UsageEvent).where(UsageEvent.tenant_id == tenant_id, UsageEvent.usage_type == "STORAGE_USED_MB")
    return [(event.quantity, event.idempotency_key) for event in db.session.scalars(query.order_by(UsageEvent.id))]


def ledger_bytes(tenant_id: int, up_to: int) -> int:
    """The ledger measured whole."""
    query = text("SELECT sum(pg_column_size(u.*)) FROM billing_usage u WHERE tenant_id = :tenant AND id <= :up_to")
    return int(db.session.scalar(query, {"tenant": tenant_id, "up_to": up_to}) or 0)


def use(tenant_id: int, count: int = 3, size: int = 1_000) -> None:
    with unit_of_work() as session:
        tenant = session.get_one(Tenant, tenant_id)
        for _ in range(count):
            record(session, tenant, now=now(), metadata={"a": "x" * size})


def write(root: Path, tenant_id: int, name: str, size: int) -> Path:
    path = root / str(tenant_id) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def test_a_begun_megabyte_is_a_whole_one_and_a_day_is_read_once(app: Flask, tmp_path: Path) -> None:
    tenant_id, _ = new_tenant()
    write(tmp_path, tenant_id, "clips/a.wav", 2_000_000)
    assert measure_storage(now()) == 1
    write(tmp_path, tenant_id, "clips/b.wav", 5_000_000)
    assert measure_storage(now()) == 0
    assert levels(tenant_id) == [(3, f"storage:{now().date()}")]
    assert measure_storage(now() + DAY) == 1
    assert [quantity for quantity, _ in levels(tenant_id)] == [3, 8]


def test_the_ledger_is_measured_by_its_new_rows_and_adds_up(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    use(tenant_id)
    measure_storage(now())
    use(tenant_id, count=5)
    measure_storage(now() + DAY)
    measure_storage(now() + 2 * DAY)
    found = readings(tenant_id)
    assert [each.ledger_bytes for each in found] == [ledger_bytes(tenant_id, each.last_usage_id) for each in found]
    assert found[0].ledger_bytes > 3_000
    assert found[1].ledger_bytes > found[0].ledger_bytes + 5_000


def test_rows_of_other_tables_and_nothing_of_other_tenants_count(app: Flask, tmp_path: Path) -> None:
    tenant_id, _ = new_tenant()
    other, _ = new_tenant()
    use(other, count=50)
    write(tmp_path, other, "a", 9_000_000)
    measure_storage(now())
    (reading,) = readings(tenant_id)
    assert 50 < reading.table_bytes < 1_000  # its API key
    assert (reading.ledger_bytes, reading.file_bytes, levels(tenant_id)[0][0]) == (0, 0, 1)


def test_a_link_out_of_the_folder_is_not_followed(app: Flask, tmp_path: Path) -> None:
    tenant_id, _ = new_tenant()
    big = write(tmp_path, 999, "big", 3_000_000)
    folder = write(tmp_path, tenant_id, "small", 10).parent
    (folder / "file").symlink_to(big)
    (folder / "folder").symlink_to(big.parent)
    measure_storage(now())
    assert readings(tenant_id)[0].file_bytes == 10


def test_the_first_sweep_of_a_day_takes_the_reading(app: Flask, sandbox: SandboxServer) -> None:
    tenant_id, _ = new_tenant()
    for _ in range(2):
        sweep()
        work_off()
    sandbox.advance(advance_by=3 * 86_400)
    sweep()
    work_off()
    days = [each.day for each in readings(tenant_id)]
    assert len(days) == 2
    assert days[1] - days[0] == 3 * DAY


def test_a_missing_root_is_no_empty_one(app: Flask, tmp_path: Path) -> None:
    tenant_id, _ = new_tenant()
    tmp_path.rmdir()
    assert measure_storage(now()) == 0
    assert readings(tenant_id) == []
    tmp_path.mkdir()
    assert measure_storage(now()) == 1


def test_the_operator_can_take_it_too(app: Flask) -> None:
    new_tenant()
    run = app.test_cli_runner().invoke
    assert run(args=["usage", "measure-storage"]).output.strip() == "1 tenants measured"
    assert run(args=["usage", "measure-storage"]).output.strip() == "0 tenants measured"
    assert wiring().settings.storage_root is not None


def test_a_day_is_a_utc_day(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    measure_storage(datetime(2026, 6, 1, 23, 59, 59, tzinfo=UTC))
    measure_storage(datetime(2026, 6, 2, 0, 0, tzinfo=UTC))
    assert [key for _, key in levels(tenant_id)] == ["storage:2026-06-01", "storage:2026-06-02"]
