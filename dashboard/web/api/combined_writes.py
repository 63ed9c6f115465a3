"""Usage of requests that wait at the same moment, recorded in one transaction (`web/combining.py`)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from dashboard.billing.usage import Recorded, Refusal, record_groups
from dashboard.billing.usage_input import UsageInput
from dashboard.database import db
from dashboard.web.combining import Combined
from dashboard.wiring import now

TenantsEvent = tuple[int, UsageInput]
TenantsBatch = tuple[int, Sequence[UsageInput]]


def record_together(items: Sequence[TenantsEvent]) -> list[Recorded | Refusal]:
    """Record events of any tenants in one transaction; what became of each, in their order.

    Raises `NotFound`, or the database's own errors.
    """
    with Session(db.engine) as session:
        outcomes = _record(session, [(tenant_id, [event]) for tenant_id, event in items])
        session.commit()
    return [outcome for (outcome,) in outcomes]


def record_batches_together(items: Sequence[TenantsBatch]) -> list[list[Recorded]]:
    """Record batches of any tenants in one transaction, all of their events or none.

    Raises the first refusal, `NotFound`, or the database's own errors.
    """
    with Session(db.engine) as session:
        outcomes = _record(session, items)
        for batch in outcomes:
            for outcome in batch:
                if not isinstance(outcome, Recorded):
                    raise outcome
        session.commit()
    return outcomes  # type: ignore[return-value]


def _record(session: Session, items: Sequence[TenantsBatch]) -> list[list[Recorded | Refusal]]:
    groups: dict[int, list[UsageInput]] = {}
    places = []
    for tenant_id, events in items:
        group = groups.setdefault(tenant_id, [])
        places.append(slice(len(group), len(group) + len(events)))
        group.extend(events)
    outcomes = record_groups(session, groups, source="api", now=now())
    return [outcomes[tenant_id][place] for (tenant_id, _), place in zip(items, places, strict=True)]


single_writes: Combined[TenantsEvent, Recorded | Refusal] = Combined(record_together)
batch_writes: Combined[TenantsBatch, list[Recorded]] = Combined(record_batches_together)
