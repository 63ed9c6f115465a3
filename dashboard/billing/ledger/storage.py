"""`STORAGE_USED_MB`: what we hold for a tenant, read once a UTC day.

It is the bytes of the tenant's rows in our tables and of its files. The ledger is measured by its new rows only; the
other tables are small beside it and are measured whole.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.billing.ledger.usage import record_usage
from dashboard.billing.ledger.usage_input import parse_usage
from dashboard.database import Base, lock_object
from dashboard.models import StorageReading, Tenant, UsageEvent

# Megabytes as Stripe's meter and the plans count them: 10^6 bytes, a begun one is a whole one.
MEGABYTE = 10**6

_NEWEST_ID = text("SELECT COALESCE(max(id), 0) FROM billing_usage WHERE tenant_id = :tenant_id")
_NEW_ROWS = text(
    """
    SELECT COALESCE(sum(pg_column_size(u.*)), 0) FROM billing_usage u
     WHERE u.tenant_id = :tenant_id AND u.id > :after AND u.id <= :newest
    """
)


def list_unread_tenants(session: Session, day: date, *, limit: int | None = None) -> list[int]:
    """Tenants without a reading of this UTC day."""
    read = select(StorageReading.tenant_id).where(StorageReading.tenant_id == Tenant.id, StorageReading.day == day)
    return list(session.scalars(select(Tenant.id).where(~read.exists()).order_by(Tenant.id).limit(limit)))


def find_newest_usage(session: Session, tenant_id: int) -> int:
    """The newest ledger id of the tenant with no row below it still under way. End the transaction soon after:

    writers of this tenant wait meanwhile.
    """
    # Writers of the ledger share this lock and take their ids after it. Once we hold it alone there is no row under way
    # below the newest id, so no later reading has to look there again.
    lock_object(session, "usage-of", tenant_id)
    return int(session.scalar(_NEWEST_ID, {"tenant_id": tenant_id}) or 0)


def read_storage(session: Session, tenant_id: int, newest_id: int, file_bytes: int, now: datetime) -> bool:
    """Take the day's reading of one tenant and record it as `STORAGE_USED_MB`. False when the day has one.

    `newest_id` is what `find_newest_usage` said in an earlier transaction, `file_bytes` the size of the tenant's files.
    """
    lock_object(session, "storage-of", tenant_id)
    if session.get(StorageReading, (tenant_id, now.date())) is not None:
        return False
    before = session.scalars(
        select(StorageReading).where(StorageReading.tenant_id == tenant_id).order_by(StorageReading.day.desc()).limit(1)
    ).first()
    after = before.last_usage_id if before else 0
    scope = {"tenant_id": tenant_id, "after": after, "newest": newest_id}
    reading = StorageReading(
        tenant_id=tenant_id,
        day=now.date(),
        last_usage_id=max(newest_id, after),
        ledger_bytes=(before.ledger_bytes if before else 0) + int(session.scalar(_NEW_ROWS, scope) or 0),
        table_bytes=_bytes_of_tables(session, tenant_id),
        file_bytes=file_bytes,
        measured_at=now,
    )
    session.add(reading)
    session.flush()
    _record(session, reading, now)
    return True


def _bytes_of_tables(session: Session, tenant_id: int) -> int:
    """The tenant's rows in every table but the ledger."""
    tables = [table for table in Base.metadata.sorted_tables if "tenant_id" in table.c]
    parts = [
        f"SELECT COALESCE(sum(pg_column_size(t.*)), 0) AS bytes FROM {table.name} t WHERE t.tenant_id = :tenant_id"
        for table in tables
        if table.name != UsageEvent.__tablename__
    ]
    statement = text(f"SELECT sum(bytes) FROM ({' UNION ALL '.join(parts)}) AS tables")
    return int(session.scalar(statement, {"tenant_id": tenant_id}) or 0)


def _record(session: Session, reading: StorageReading, now: datetime) -> None:
    parts = {
        "ledger_bytes": reading.ledger_bytes,
        "table_bytes": reading.table_bytes,
        "file_bytes": reading.file_bytes,
    }
    usage = parse_usage(
        {
            "usage_type": "STORAGE_USED_MB",
            "quantity": -(-sum(parts.values()) // MEGABYTE),
            "idempotency_key": f"storage:{reading.day.isoformat()}",
            "occurred_at": now,
            "resource_type": "storage",
            "metadata": parts,
        },
        now,
    )
    record_usage(session, reading.tenant_id, usage, source="storage", now=now)
