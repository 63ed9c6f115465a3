"""Sync usage to Stripe's meters: claim for every tenant that is due, then send what is pending."""

from __future__ import annotations

import structlog
from sqlalchemy.orm import Session

from dashboard.billing import metering, sync_runs
from dashboard.billing.ports import ProviderUnavailable
from dashboard.database import db, lock_object
from dashboard.jobs.queues import METERING, enqueue
from dashboard.wiring import unit_of_work, wiring

log = structlog.get_logger()
HOUR = 3_600


def start_sync(started_by: str, tenant_id: int | None = None) -> int:
    """Ask for a sync of all tenants, or of one; the one that is under way is the answer if there is one. Its id."""
    with unit_of_work() as session:
        run_id, is_new = sync_runs.request_sync(
            session, started_by=started_by, now=wiring().clock.now(), tenant_id=tenant_id
        )
    if is_new:
        enqueue(METERING, sync_meters, run_id, timeout=HOUR)
    return run_id


def sync_meters(run_id: int) -> None:
    """Do one run. Killed at any point, the next run goes on from what is in the tables."""
    clock = wiring().clock
    with unit_of_work() as session:
        if not sync_runs.begin_run(session, run_id, clock.now()):
            return
        tenant_id = sync_runs.find_run(session, run_id).tenant_id
    try:
        claim_all(run_id, tenant_id)
        error = send_all(run_id, tenant_id)
    except Exception as failure:
        log.exception("meter sync failed", run=run_id)
        error = f"{type(failure).__name__}: {failure}"
    with unit_of_work() as session:
        sync_runs.finish_run(session, run_id, error, clock.now())
    log.info("meter sync ended", run=run_id, error=error)


def claim_all(run_id: int, tenant_id: int | None) -> None:
    """Claim tenant by tenant (or for the one that is given), one transaction each."""
    clock = wiring().clock
    with unit_of_work() as session:
        due = metering.list_due_tenants(session, clock.now()) if tenant_id is None else [tenant_id]
    for each in due:
        with unit_of_work() as session:
            claimed = metering.claim_meter_events(session, each, clock.now())
            sync_runs.note_claimed(session, run_id, claimed, clock.now())
    with unit_of_work() as session:
        sync_runs.note_claimed(session, run_id, 0, clock.now())


def send_all(run_id: int, tenant_id: int | None) -> str | None:
    """Send tenant by tenant (or for the one that is given), one transaction a chunk. Answers why it stopped early,
    if it did.
    """
    with unit_of_work() as session:
        pending = metering.list_pending_tenants(session) if tenant_id is None else [tenant_id]
    for each in pending:
        while True:
            parts = wiring()
            with unit_of_work() as session:
                sent = metering.send_meter_events(session, each, parts.billing, parts.clock.now())
                if sent is not None:
                    sync_runs.note_sent(session, run_id, sent, parts.clock.now())
            if sent is None:
                break
            if sent.unavailable:
                return sent.unavailable
    return None


def send_usage_of(tenant_id: int) -> None:
    """Send what one tenant used until now, and wait for it: before an action that bills it at once.

    In a session of its own, because it commits after each chunk. Raises `ProviderUnavailable`.
    """
    parts = wiring()
    with Session(db.engine) as session:
        metering.claim_meter_events(session, tenant_id, parts.clock.now())
        session.commit()
        while True:
            # Waits for a sync that is under way instead of leaving its work to it.
            lock_object(session, "meter-events", tenant_id)
            sent = metering.send_meter_events(session, tenant_id, parts.billing, parts.clock.now())
            session.commit()
            if sent is None:
                return
            if sent.unavailable:
                raise ProviderUnavailable(sent.unavailable)
