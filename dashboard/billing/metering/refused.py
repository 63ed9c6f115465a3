"""Refused batches as staff see them: whose, how much, why in words, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.billing.ledger.usage_types import USAGE_TYPES, UsageType
from dashboard.billing.metering.causes import Cause, cause_of
from dashboard.models import MeterEvent, MeterEventState, Tenant

PAGE = 50


@dataclass(frozen=True, slots=True)
class RefusedBatch:
    """One refused meter event. `value` is in units of its usage type, `bucket_start` aware UTC."""

    id: int
    tenant_id: int
    tenant_name: str
    has_customer: bool
    usage_type: UsageType
    bucket_start: datetime
    value: int
    identifier: str
    code: str | None
    error: str | None

    @property
    def cause(self) -> Cause:
        """Why, and what to do."""
        return cause_of(self.code)


def list_refused(
    session: Session, *, before: int | None = None, code: str | None = None, limit: int = PAGE
) -> list[RefusedBatch]:
    """Refused batches of all tenants, newest first; `before` is the id of the last one of the page before."""
    rows = (
        select(MeterEvent, Tenant.name, Tenant.stripe_customer_id)
        .join(Tenant, Tenant.id == MeterEvent.tenant_id)
        .where(MeterEvent.state == MeterEventState.REJECTED)
    )
    if before is not None:
        rows = rows.where(MeterEvent.id < before)
    if code is not None:
        rows = rows.where(MeterEvent.error_code == code)
    return [
        RefusedBatch(
            id=event.id,
            tenant_id=event.tenant_id,
            tenant_name=name,
            has_customer=customer_id is not None,
            usage_type=USAGE_TYPES[event.usage_type],
            bucket_start=event.bucket_start,
            value=event.value,
            identifier=event.identifier,
            code=event.error_code,
            error=event.error,
        )
        for event, name, customer_id in session.execute(rows.order_by(MeterEvent.id.desc()).limit(limit))
    ]


def count_refused(session: Session) -> list[tuple[str | None, int]]:
    """How many batches were refused for each code, the most frequent first."""
    rows = session.execute(
        select(MeterEvent.error_code, func.count().label("batches"))
        .where(MeterEvent.state == MeterEventState.REJECTED)
        .group_by(MeterEvent.error_code)
        .order_by(func.count().desc(), MeterEvent.error_code)
    )
    return [(row.error_code, row.batches) for row in rows]
