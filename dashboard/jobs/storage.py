"""The day's reading of what each tenant stores."""

from __future__ import annotations

from datetime import datetime

import structlog

from dashboard.billing.ledger import storage
from dashboard.integrations.tenant_files import measure_files
from dashboard.jobs.queues import METERING, enqueue
from dashboard.wiring import unit_of_work, wiring

log = structlog.get_logger()
HOUR = 3_600


def enqueue_storage_reading() -> None:
    """Have a worker read what is stored, if a tenant has no reading of today (UTC) yet."""
    now = wiring().clock.now()
    with unit_of_work() as session:
        is_due = bool(storage.list_unread_tenants(session, now.date(), limit=1))
    if is_due:
        enqueue(METERING, read_storage_of_all, timeout=HOUR)


def read_storage_of_all() -> None:
    """Take the readings that are missing today."""
    measure_storage(wiring().clock.now())


def measure_storage(now: datetime) -> int:
    """Take the reading of `now`'s UTC day for every tenant that has none, a transaction each; answers how many.

    One tenant that cannot be measured does not stop the others: it is tried again by the next sweep.
    """
    with unit_of_work() as session:
        tenants = storage.list_unread_tenants(session, now.date())
    taken = 0
    for tenant_id in tenants:
        try:
            file_bytes = measure_files(wiring().settings.storage_root, tenant_id)
            with unit_of_work() as session:
                newest_id = storage.find_newest_usage(session, tenant_id)
            with unit_of_work() as session:
                taken += storage.read_storage(session, tenant_id, newest_id, file_bytes, now)
        except Exception:
            log.exception("storage could not be measured", tenant=tenant_id)
    if tenants:
        log.info("storage measured", tenants=taken)
    return taken
