"""Setting a tenant's caps and budget, and reading them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.ledger.usage_types import SUMS
from dashboard.billing.plans.plans import catalog
from dashboard.models import UsageBudget, UsageCap

MAX_CAP = 10**15
MAX_BUDGET = 10**11


def set_cap(
    session: Session, tenant_id: int, usage_type: str, quantity: int | None, *, set_by: str, now: datetime
) -> None:
    """Cap a usage type at `quantity` units a billing period; None lifts the cap.

    Raises `InvalidInput`.
    """
    need_sum(usage_type)
    if quantity is None:
        session.execute(delete(UsageCap).where(UsageCap.tenant_id == tenant_id, UsageCap.usage_type == usage_type))
        return
    if not 0 <= quantity <= MAX_CAP:
        raise InvalidInput("quantity", f"must be 0 to {MAX_CAP}")
    row = insert(UsageCap).values(
        tenant_id=tenant_id, usage_type=usage_type, quantity=quantity, set_by=set_by, set_at=now
    )
    session.execute(
        row.on_conflict_do_update(
            index_elements=["tenant_id", "usage_type"],
            set_={"quantity": row.excluded.quantity, "set_by": row.excluded.set_by, "set_at": row.excluded.set_at},
        )
    )


def set_budget(
    session: Session,
    tenant_id: int,
    amount: int | None,
    currency: str,
    *,
    stops: bool = True,
    set_by: str,
    now: datetime,
) -> None:
    """Budget what usage beyond the plan may cost in a billing period, in minor units; None lifts the budget.

    One that `stops` is a limit: an action that would pass it is refused. Another only has people told.
    Raises `InvalidInput`.
    """
    if amount is None:
        session.execute(delete(UsageBudget).where(UsageBudget.tenant_id == tenant_id))
        return
    if not 0 <= amount <= MAX_BUDGET:
        raise InvalidInput("amount", f"must be 0 to {MAX_BUDGET} minor units")
    if currency != catalog().currency:
        raise InvalidInput("currency", f"must be {catalog().currency}, the currency of the plans")
    row = insert(UsageBudget).values(
        tenant_id=tenant_id, amount=amount, currency=currency, stops=stops, set_by=set_by, set_at=now
    )
    session.execute(
        row.on_conflict_do_update(
            index_elements=["tenant_id"],
            set_={name: row.excluded[name] for name in ("amount", "currency", "stops", "set_by", "set_at")},
        )
    )


def need_sum(usage_type: str) -> None:
    """Make sure that what is to be limited adds up: a level is not used up by an action.

    Raises `InvalidInput`.
    """
    if usage_type not in SUMS:
        raise InvalidInput("usage_type", f"must be one of {', '.join(SUMS)}")


def list_caps(session: Session, tenant_id: int) -> dict[str, int]:
    """The tenant's caps: units a billing period by usage type."""
    caps = session.scalars(select(UsageCap).where(UsageCap.tenant_id == tenant_id))
    return {cap.usage_type: cap.quantity for cap in caps}


def find_budget(session: Session, tenant_id: int) -> UsageBudget | None:
    """The tenant's budget, if it has one."""
    return session.get(UsageBudget, tenant_id, populate_existing=True)
