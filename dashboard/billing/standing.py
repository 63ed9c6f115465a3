"""Where a person stands with a tenant: all that every page of it shows, in one query."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from dashboard.billing.billing_state import state_or_free
from dashboard.billing.notices import MOST_COUNTED
from dashboard.models import BillingState, Membership, Notice, Tenant, User

MOST_TENANTS = 200


@dataclass(frozen=True, slots=True)
class Standing:
    """A member's tenant, its billing state, the role in it, how many notices are unread (up to `MOST_COUNTED`)."""

    tenant: Tenant
    role: str
    billing: BillingState
    unread: int


def find_standing(session: Session, user: User, tenant_id: int | None) -> tuple[Standing | None, list[Tenant]]:
    """How the person stands with this tenant, and the tenants it is a member of, by name; None for a stranger."""
    asked = Membership.tenant_id == tenant_id
    unread = (
        select(func.count())
        .where(Notice.tenant_id == Membership.tenant_id, Notice.id > Membership.read_up_to)
        .correlate(Membership)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Tenant, Membership.role, BillingState, case((asked, unread), else_=0))
        .join(Membership, Membership.tenant_id == Tenant.id)
        .outerjoin(BillingState, and_(BillingState.tenant_id == Membership.tenant_id, asked))
        .where(Membership.user_id == user.id)
        .order_by(asked.desc(), Tenant.name)
        .limit(MOST_TENANTS)
    ).all()
    tenants = sorted((tenant for tenant, *_ in rows), key=lambda tenant: tenant.name)
    for tenant, role, state, count in rows:
        if tenant.id == tenant_id:
            return Standing(tenant, role, state_or_free(tenant.id, state), min(count, MOST_COUNTED)), tenants
    return None, tenants
