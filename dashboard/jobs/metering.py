"""Sync usage to Stripe's meters: claim for every tenant that is due, then send what is pending."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import structlog
from sqlalchemy.orm import Session

from dashboard.billing import metering, sync_runs
from dashboard.billing.ports import ProviderUnavailable
from dashboard.billing.sync_views import SyncRunView, find_run
from dashboard.database import db, holding_objects, lock_object
from dashboard.jobs.queues import METERING, enqueue
from dashboard.wiring import unit_of_work, wiring

log = structlog.get_logger()
HOUR = 3_600


def start_sync(started_by: str, tenant_id: int | None = None, usage_types: Collection[str] | None = None) -> int:
    """Ask for a sync of all tenants, or of one; of all meters, or of some. The one of the same scope that is under way
    is the answer if there is one. Its id.

    Raises `InvalidInput` where there is no such tenant.
    """
    with unit_of_work() as session:
        run_id, is_new = sync_runs.request_sync(
            session, started_by=started_by, now=wiring().clock.now(), tenant_id=tenant_id, usage_types=usage_types
        )
    if is_new:
        enqueue(METERING, sync_meters, run_id, timeout=HOUR)
    return run_id


def sync_meters(run_id: int) -> None:
    """Do one run. Killed at any point, the next run goes on from what is in the tables."""
    name = sync_runs.lock_name(run_id)
    with db.engine.connect() as connection, holding_objects(connection, [name]) as held:
        if name in held:
            _do_run(run_id)


def _do_run(run_id: int) -> None:
    clock = wiring().clock
    with unit_of_work() as session:
        if not sync_runs.begin_run(session, run_id, clock.now()):
            return
        run = find_run(session, run_id)
    try:
        error = _claim_and_send(run)
    except Exception as failure:
        log.exception("meter sync failed", run=run_id)
        error = f"{type(failure).__name__}: {failure}"
    with unit_of_work() as session:
        sync_runs.finish_run(session, run_id, error, clock.now())
    log.info("meter sync ended", run=run_id, error=error)


def _claim_and_send(run: SyncRunView) -> str | None:
    claim_all(run.id, run.tenant_id, run.usage_types)
    with unit_of_work() as session:
        goes_on = sync_runs.note_to_send(session, run.id, wiring().clock.now())
    return send_all(run.id, run.tenant_id, run.usage_types) if goes_on else None


def claim_all(run_id: int, tenant_id: int | None, usage_types: Sequence[str] | None = None) -> None:
    """Claim tenant by tenant (or for the one that is given), one transaction each."""
    clock = wiring().clock
    with unit_of_work() as session:
        due = metering.list_due_tenants(session, clock.now()) if tenant_id is None else [tenant_id]
    for each in due:
        with unit_of_work() as session:
            claimed = metering.claim_meter_events(session, each, clock.now())
            if not sync_runs.note_claimed(session, run_id, claimed, clock.now()):
                return


def send_all(run_id: int, tenant_id: int | None, usage_types: Sequence[str] | None = None) -> str | None:
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
                goes_on = sent is not None and sync_runs.note_sent(session, run_id, sent, parts.clock.now())
            if sent is None:
                break
            if not goes_on:
                return None
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
