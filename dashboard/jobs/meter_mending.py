"""Sending refused batches again, one by one or all of a kind, and then the sync that delivers them."""

from __future__ import annotations

import structlog
from sqlalchemy import select

from dashboard.billing import metering
from dashboard.billing.errors import NotNow
from dashboard.jobs.metering import start_sync
from dashboard.jobs.queues import METERING, enqueue
from dashboard.models import MeterEvent, MeterEventState
from dashboard.wiring import unit_of_work, wiring

log = structlog.get_logger()

CHUNK = 200
HOUR = 3_600
# Whether Stripe counts these already is not known: nobody sends them again without having looked.
NOT_IN_BULK = "unconfirmed"


def resend_batch(tenant_id: int, event_id: int, by: str) -> metering.Mended:
    """Mend one batch and ask for a sync of its tenant.

    Raises `NotFound` and `NotNow`.
    """
    with unit_of_work() as session:
        mended = metering.resend(session, tenant_id, event_id, wiring().clock.now())
    if mended.event is not None:
        start_sync(by, tenant_id)
    return mended


def ask_to_resend(by: str, code: str | None) -> None:
    """Have a worker mend every refused batch, or those refused for one reason."""
    enqueue(METERING, resend_refused, by, code, timeout=HOUR)


def resend_refused(by: str, code: str | None) -> int:
    """Mend them one by one, each in a transaction of its own; one that cannot be mended yet stays. How many were."""
    after, mended = 0, 0
    while True:
        with unit_of_work() as session:
            rows = select(MeterEvent.tenant_id, MeterEvent.id).where(
                MeterEvent.state == MeterEventState.REJECTED,
                MeterEvent.id > after,
                MeterEvent.error_code.is_distinct_from(NOT_IN_BULK),
            )
            if code is not None:
                rows = rows.where(MeterEvent.error_code == code)
            found = session.execute(rows.order_by(MeterEvent.id).limit(CHUNK)).all()
        for tenant_id, event_id in found:
            after = event_id
            try:
                with unit_of_work() as session:
                    metering.resend(session, tenant_id, event_id, wiring().clock.now())
            except NotNow as reason:
                log.info("batch not sent again yet", tenant=tenant_id, event=event_id, reason=str(reason))
            else:
                mended += 1
        if len(found) < CHUNK:
            break
    if mended:
        start_sync(by)
    return mended
