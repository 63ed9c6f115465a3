"""Reconcile ledger, meters and invoices, period by period; repair what was found."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from dashboard.billing.errors import NotNow
from dashboard.billing.ports.providers import ProviderUnavailable
from dashboard.billing.reconciliation import checking
from dashboard.billing.reconciliation.checking import Concluded
from dashboard.billing.reconciliation.repairs import find_finding, repair
from dashboard.jobs.metering import send_usage_of, start_sync
from dashboard.wiring import unit_of_work, wiring

log = structlog.get_logger()
CHUNK = 200
HOUR = 3_600


def reconcile_due() -> None:
    """Look at every period that is due, in chunks. Where Stripe does not answer, the rest stays due."""
    clock = wiring().clock
    after: tuple[int, datetime] | None = None
    looked = 0
    with unit_of_work() as session:
        checking.revive_periods(session, clock.now())
    while True:
        with unit_of_work() as session:
            due = checking.list_due_periods(session, clock.now(), after=after, limit=CHUNK)
        for tenant_id, start in due:
            try:
                reconcile_period(tenant_id, start)
            except ProviderUnavailable as error:
                log.warning("reconciliation stopped", looked=looked, error=str(error))
                return
            looked += 1
        if len(due) < CHUNK:
            break
        after = due[-1]
    log.info("reconciliation ended", looked=looked)


def reconcile_period(tenant_id: int, start: datetime, usage_type: str | None = None) -> Concluded | None:
    """Look at one period, all its meters or one. None where there is nothing to look at.

    Raises `ProviderUnavailable` and `ProviderRefused`.
    """
    parts = wiring()
    delay = timedelta(seconds=parts.settings.reconciliation_delay)
    with unit_of_work() as session:
        look = checking.plan_look(session, tenant_id, start, parts.clock.now(), usage_type)
    if look is None:
        return None
    looked_at = parts.clock.now()
    hours = checking.fetch_hours(parts.billing, look)
    with unit_of_work() as session:
        concluded = checking.conclude(session, look, hours, looked_at=looked_at, delay=delay, now=parts.clock.now())
    if concluded is not None and concluded.new_findings:
        log.warning("reconciliation found differences", tenant=tenant_id, start=start, new=concluded.new_findings)
    return concluded


def check_period(tenant_id: int, start: datetime) -> None:
    """`reconcile_period` as a job."""
    reconcile_period(tenant_id, start)


def repair_finding(tenant_id: int, finding_id: int, by: str) -> bool:
    """Repair a finding if it is still there. False where it was not, or somebody else was faster.

    Looked at again first: what was missing may have arrived since. Raises `NotFound`, `NotNow`, `ProviderUnavailable`
    and `ProviderRefused`.
    """
    parts = wiring()
    with unit_of_work() as session:
        finding = find_finding(session, tenant_id, finding_id)
        start, usage_type = finding.period_start, finding.usage_type
    seen_since = parts.clock.now()
    reconcile_period(tenant_id, start, usage_type)
    with unit_of_work() as session:
        return repair(session, parts.meters, tenant_id, finding_id, by=by, seen_since=seen_since, now=parts.clock.now())


def repair_period(tenant_id: int, start: datetime, usage_type: str | None, by: str) -> int:
    """Look at a period, repair what was seen, and send what that takes. Answers how many findings were repaired.

    Raises like `repair_finding`.
    """
    parts = wiring()
    seen_since = parts.clock.now()
    concluded = reconcile_period(tenant_id, start, usage_type)
    repaired = 0
    for finding_id in concluded.open_findings if concluded else ():
        try:
            with unit_of_work() as session:
                now = parts.clock.now()
                repaired += repair(session, parts.meters, tenant_id, finding_id, by=by, seen_since=seen_since, now=now)
        except NotNow as error:
            log.info("finding not repaired", tenant=tenant_id, finding=finding_id, reason=str(error))
    if repaired:
        send_usage_of(tenant_id)
    return repaired


def repair_and_send(tenant_id: int, finding_id: int, by: str) -> None:
    """The same as a job, which asks for a sync of the tenant afterwards."""
    if repair_finding(tenant_id, finding_id, by):
        start_sync(by, tenant_id)
