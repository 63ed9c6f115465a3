"""Single usage events of requests that wait at the same moment, recorded in one transaction (`web/combining.py`)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from dashboard.billing.ledger.usage import Recorded, Refusal, record_groups
from dashboard.billing.ledger.usage_input import UsageInput
from dashboard.database import db
from dashboard.web.combining import Combined
from dashboard.wiring import now

TenantsEvent = tuple[int, UsageInput]


def record_together(items: Sequence[TenantsEvent]) -> list[Recorded | Refusal]:
    """Record events of any tenants in one transaction; what became of each, in their order.

    Raises `NotFound`, or the database's own errors.
    """
    groups: dict[int, list[int]] = {}
    for place, (tenant_id, _) in enumerate(items):
        groups.setdefault(tenant_id, []).append(place)
    with Session(db.engine) as session:
        outcomes = record_groups(
            session,
            {tenant_id: [items[place][1] for place in places] for tenant_id, places in groups.items()},
            source="api",
            now=now(),
        )
        session.commit()
    found: dict[int, Recorded | Refusal] = {}
    for tenant_id, places in groups.items():
        found.update(zip(places, outcomes[tenant_id], strict=True))
    return [found[place] for place in range(len(items))]


single_writes: Combined[TenantsEvent, Recorded | Refusal] = Combined(record_together)
