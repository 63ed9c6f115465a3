"""The members of a tenant: who they are, changing a role, letting one go. A tenant always keeps an owner."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput, NotFound, NotNow
from dashboard.database import lock_object
from dashboard.models import Membership, Role, User

# Whom a member may make, change and remove. Nobody else may do any of it.
MANAGES: dict[str, tuple[str, ...]] = {
    Role.OWNER: (Role.OWNER, Role.ADMIN, Role.VIEWER),
    Role.ADMIN: (Role.ADMIN, Role.VIEWER),
}
ROLE_HINTS: dict[str, str] = {
    Role.OWNER: "everything, also naming other owners",
    Role.ADMIN: "plans, payment, keys, webhooks, alerts and members; not owners",
    Role.VIEWER: "reads usage, invoices and settings",
}


@dataclass(frozen=True, slots=True)
class Member:
    """One member as the page lists them."""

    user_id: int
    name: str
    email: str
    role: str
    wants_mail: bool


def list_members(session: Session, tenant_id: int) -> list[Member]:
    """All members: owners first, then admins, then viewers; each by name."""
    rows = session.execute(
        select(User.id, User.name, User.email, Membership.role, Membership.wants_mail)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.tenant_id == tenant_id)
    )
    ranks = {role: n for n, role in enumerate(Role)}
    found = [Member(row.id, row.name, row.email, row.role, row.wants_mail) for row in rows]
    return sorted(found, key=lambda each: (ranks[Role(each.role)], each.name.casefold(), each.user_id))


def find_member(session: Session, tenant_id: int, user_id: int) -> Member:
    """One member.

    Raises `NotFound`.
    """
    found = next((each for each in list_members(session, tenant_id) if each.user_id == user_id), None)
    if found is None:
        raise NotFound(f"no member {user_id}")
    return found


def parse_role(value: str, acting_role: str) -> Role:
    """A role that somebody of `acting_role` may give.

    Raises `InvalidInput`.
    """
    allowed = MANAGES.get(acting_role, ())
    if value not in allowed:
        raise InvalidInput("role", f"must be one of {', '.join(allowed) or 'none: only owners and admins give roles'}")
    return Role(value)


def change_role(session: Session, tenant_id: int, user_id: int, role: str, *, acting_role: str) -> Member:
    """Give a member another role; answers the member as they were.

    Raises `NotFound`, `InvalidInput` (a role that `acting_role` may not give) and `NotNow` (an owner by another than an
    owner; the last owner).
    """
    given = parse_role(role, acting_role)
    before = _hold(session, tenant_id, user_id, acting_role)
    if before.role == Role.OWNER and given != Role.OWNER:
        _need_another_owner(session, tenant_id, before)
    session.execute(
        update(Membership).where(Membership.tenant_id == tenant_id, Membership.user_id == user_id).values(role=given)
    )
    return before


def remove_member(session: Session, tenant_id: int, user_id: int, *, acting_role: str, by_themselves: bool) -> Member:
    """Let a member go; anybody may go by themselves. Their account with other tenants stays.

    Raises `NotFound` and `NotNow` (an owner by another than an owner; the last owner).
    """
    before = _hold(session, tenant_id, user_id, Role.OWNER if by_themselves else acting_role)
    if before.role == Role.OWNER:
        _need_another_owner(session, tenant_id, before)
    session.delete(session.get_one(Membership, (tenant_id, user_id)))
    session.flush()
    return before


def set_wants_mail(session: Session, tenant_id: int, user_id: int, *, wants_mail: bool) -> None:
    """Whether a member's notices come by mail too.

    Raises `NotFound`.
    """
    changed = session.execute(
        update(Membership)
        .where(Membership.tenant_id == tenant_id, Membership.user_id == user_id)
        .values(wants_mail=wants_mail)
        .returning(Membership.user_id)
    )
    if changed.first() is None:
        raise NotFound(f"no member {user_id}")


def hold_members(session: Session, tenant_id: int) -> None:
    """One change to a tenant's members at a time: two owners cannot remove each other at once."""
    lock_object(session, "members-of", tenant_id)


def _hold(session: Session, tenant_id: int, user_id: int, acting_role: str) -> Member:
    hold_members(session, tenant_id)
    found = find_member(session, tenant_id, user_id)
    if found.role not in MANAGES.get(acting_role, ()):
        raise NotNow(f"Only an owner can change {found.name}, who is an owner.")
    return found


def _need_another_owner(session: Session, tenant_id: int, member: Member) -> None:
    owners = session.scalar(
        select(func.count())
        .select_from(Membership)
        .where(Membership.tenant_id == tenant_id, Membership.role == Role.OWNER, Membership.user_id != member.user_id)
    )
    if not owners:
        raise NotNow(f"{member.name} is the last owner. Make another member an owner first.")
