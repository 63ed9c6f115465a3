"""Sync usage to Stripe's meters: claim for every tenant that is due, then send what is pending."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import structlog
from sqlalchemy.orm import Session

from dashboard.billing import metering
from dashboard.billing.metering import sync_runs
from dashboard.billing.metering.sync_runs import Scope
from dashboard.billing.ports.providers import ProviderUnavailable
from dashboard.database import db, holding_objects, lock_object
from dashboard.jobs.meter_sending import send_pending
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
        scope = sync_runs.begin_run(session, run_id, clock.now())
    if scope is None:
        return
    try:
        error = _claim_and_send(run_id, scope)
    except Exception as failure:
        log.exception("meter sync failed", run=run_id)
        error = f"{type(failure).__name__}: {failure}"
    with unit_of_work() as session:
        sync_runs.finish_run(session, run_id, error, clock.now())
    log.info("meter sync ended", run=run_id, error=error)


def _claim_and_send(run_id: int, scope: Scope) -> str | None:
    waiting = claim_all(run_id, scope.tenant_id, scope.usage_types)
    return send_all(run_id, scope.tenant_id, scope.usage_types) if waiting else None


def claim_all(run_id: int, tenant_id: int | None, usage_types: Sequence[str] | None = None) -> int | None:
    """Claim what is owed, chunk by chunk of all tenants (or of the one that is given), one transaction each.

    Answers how many events wait to be sent then, None when the run was canceled meanwhile.
    """
    after = 0
    while True:
        with unit_of_work() as session:
            tenants = metering.list_tenants_after(session, after) if tenant_id is None else [tenant_id]
        if not tenants or tenants[-1] <= after:
            break
        after = tenants[-1]
        _take_back(tenants, usage_types)
        if not _claim(run_id, tenants, usage_types):
            return None
        _settle(tenants, usage_types)
    with unit_of_work() as session:
        return sync_runs.note_waiting(session, run_id, wiring().clock.now())


def _take_back(tenants: Sequence[int], usage_types: Sequence[str] | None) -> None:
    """Cancel young events of hours that were corrected. While Stripe is away they wait, and so do their hours."""
    parts = wiring()
    with unit_of_work() as session:
        metering.ask_to_take_back(session, tenants, parts.clock.now(), usage_types)
        asked = metering.list_asked(session, tenants)
    for tenant_id, event_id in asked:
        try:
            with unit_of_work() as session:
                metering.take_back(session, tenant_id, event_id, parts.meters)
        except ProviderUnavailable as error:
            log.warning("meter event not taken back yet", tenant=tenant_id, event=event_id, error=str(error))
            return


def _claim(run_id: int, tenants: Sequence[int], usage_types: Sequence[str] | None) -> bool:
    clock = wiring().clock
    while True:
        with unit_of_work() as session:
            claimed = metering.claim_chunk(session, tenants, clock.now(), usage_types=usage_types, run_id=run_id)
            goes_on = sync_runs.note_claimed(session, run_id, claimed.events, clock.now())
        if not goes_on or not claimed.has_more:
            return goes_on


def _settle(tenants: Sequence[int], usage_types: Sequence[str] | None) -> None:
    """Propose what no meter can be told any more."""
    clock = wiring().clock
    with unit_of_work() as session:
        unsendable = metering.list_tenants_to_settle(session, tenants, clock.now(), usage_types)
    for tenant_id in unsendable:
        with unit_of_work() as session:
            metering.settle_unsendable(session, tenant_id, clock.now(), usage_types)


def send_all(run_id: int, tenant_id: int | None, usage_types: Sequence[str] | None = None) -> str | None:
    """Send what is pending, of all tenants or of the one that is given. Answers why some of it was left, if it was."""
    clock = wiring().clock

    def note(session: Session, sent: metering.Sent) -> bool:
        return sync_runs.note_sent(session, run_id, sent, clock.now())

    return send_pending(note, tenant_id=tenant_id, usage_types=usage_types)


def send_usage_of(tenant_id: int) -> None:
    """Send what one tenant used until now, and wait for it: before an action that bills it at once.

    In transactions of its own. Raises `ProviderUnavailable`.
    """
    parts = wiring()
    with Session(db.engine) as session:
        metering.claim_meter_events(session, tenant_id, parts.clock.now())
        session.commit()
        while True:
            # Waits for a sync that is under way instead of leaving its work to it.
            lock_object(session, "meter-events", tenant_id)
            session.rollback()
            left = send_pending(lambda _session, _sent: True, tenant_id=tenant_id)
            if left is not None:
                raise ProviderUnavailable(left)
            if metering.list_pending_tenants(session, after=tenant_id - 1, limit=1) != [tenant_id]:
                return
