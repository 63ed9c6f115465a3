"""Who a person is and where it stands with a tenant: all that every page shows, in one query."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, func, select
from sqlalchemy.orm import Session

from dashboard.billing.mirror.billing_state import state_or_free
from dashboard.billing.notices.notices import MOST_COUNTED
from dashboard.models import BillingState, Membership, Notice, Tenant, User

MOST_TENANTS = 200


@dataclass(frozen=True, slots=True)
class Standing:
    """A member's tenant, its billing state, the role in it, how many notices are unread (up to `MOST_COUNTED`)."""

    tenant: Tenant
    role: str
    billing: BillingState
    unread: int


@dataclass(frozen=True, slots=True)
class Person:
    """A person, its standing with the tenant that was asked for, and the tenants it is a member of, by name."""

    user: User
    standing: Standing | None = None
    tenants: list[Tenant] = field(default_factory=list)


def _select_person() -> Select[Any]:
    asked = Membership.tenant_id == bindparam("tenant_id")
    unread = (
        select(func.count())
        .where(Notice.tenant_id == Membership.tenant_id, Notice.id > Membership.read_up_to)
        .correlate(Membership)
        .scalar_subquery()
    )
    return (
        select(User, Tenant, Membership.role, BillingState, case((asked, unread), else_=0))
        .outerjoin(Membership, Membership.user_id == User.id)
        .outerjoin(Tenant, Tenant.id == Membership.tenant_id)
        .outerjoin(BillingState, and_(BillingState.tenant_id == Membership.tenant_id, asked))
        .where(User.id == bindparam("user_id"))
        .order_by(asked.desc().nulls_last(), Tenant.name)
        .limit(MOST_TENANTS)
    )


# Every page begins with it: the statement is put together once.
_PERSON = _select_person()


def find_person(session: Session, user_id: int, tenant_id: int | None) -> Person | None:
    """The person with this id and how it stands with this tenant; None where there is none with this id."""
    rows = session.execute(_PERSON, {"user_id": user_id, "tenant_id": tenant_id}).all()
    if not rows:
        return None
    tenants = sorted((tenant for _, tenant, *_ in rows if tenant is not None), key=lambda tenant: tenant.name)
    for user, tenant, role, state, count in rows:
        if tenant is not None and tenant.id == tenant_id:
            standing = Standing(tenant, role, state_or_free(tenant.id, state), min(count, MOST_COUNTED))
            return Person(user, standing, tenants)
    return Person(rows[0][0], None, tenants)
