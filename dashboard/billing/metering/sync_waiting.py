"""What Stripe's meters have not been told yet, by usage type: what a sync would claim and send. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.ledger.usage_types import USAGE_TYPES, UsageType
from dashboard.billing.metering.owed import CHANGED, SENDABLE, scope

_OWED = text(
    f"""
    SELECT r.usage_type, count(*) AS hours, sum(r.quantity - r.claimed) AS quantity,
           count(*) FILTER (WHERE t.stripe_customer_id IS NULL) AS without_customer
      FROM usage_rollups r JOIN tenants t ON t.id = r.tenant_id
     WHERE (CAST(:tenant_id AS bigint) IS NULL OR r.tenant_id = :tenant_id)
       AND {CHANGED} AND {SENDABLE}
     GROUP BY r.usage_type
    """
)

_PENDING = text(
    """
    SELECT usage_type, count(*) AS events, sum(value) AS quantity FROM meter_events
     WHERE (CAST(:tenant_id AS bigint) IS NULL OR tenant_id = :tenant_id)
       AND state = 'pending' AND usage_type = ANY(:usage_types)
     GROUP BY usage_type
    """
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One usage type: hours to claim, those of them whose tenant has no Stripe customer yet, and events to send.

    `quantity` is the units of both; None for a level, whose readings do not add up.
    """

    usage_type: UsageType
    hours: int
    without_customer: int
    events: int
    quantity: int | None


def list_waiting(
    session: Session, now: datetime, *, tenant_id: int | None = None, usage_types: Sequence[str] | None = None
) -> list[Waiting]:
    """What waits, of one tenant or of all: the usage types of which anything does, in their order."""
    parameters = scope(session, now, usage_types, tenant_id=tenant_id)
    owed = {row.usage_type: row for row in session.execute(_OWED, parameters)}
    pending = {row.usage_type: row for row in session.execute(_PENDING, parameters)}
    found = []
    for name, kind in USAGE_TYPES.items():
        claim, send = owed.get(name), pending.get(name)
        if claim is None and send is None:
            continue
        units = int((claim.quantity if claim else 0) + (send.quantity if send else 0))
        found.append(
            Waiting(
                usage_type=kind,
                hours=claim.hours if claim else 0,
                without_customer=claim.without_customer if claim else 0,
                events=send.events if send else 0,
                quantity=None if kind.is_level else units,
            )
        )
    return found
