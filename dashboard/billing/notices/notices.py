"""Notices to a tenant's people: stored once, with the change they tell of; listed, counted, read, mailed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Integer, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.billing.errors import NotFound
from dashboard.billing.fields import MAX_ID
from dashboard.billing.notices.mails import store_mail
from dashboard.database import lock_object
from dashboard.models import Membership, Notice, Role, Tenant, User

# The bell shows "9+" from here on, so no more is counted.
MOST_COUNTED = 10
PAGE = 50


class NoticeKind(StrEnum):
    """What is told. The words of each are in templates/notices/."""

    USAGE_THRESHOLD = "usage_threshold"
    USAGE_UNITS = "usage_units"
    CAP_REACHED = "cap_reached"
    BUDGET_THRESHOLD = "budget_threshold"
    BUDGET_STOPPED = "budget_stopped"
    PAYMENT_FAILED = "payment_failed"
    SENDING_STOPPED = "sending_stopped"


# These go to the billing contact as well.
_OF_PAYMENT = (NoticeKind.PAYMENT_FAILED, NoticeKind.SENDING_STOPPED)


def store_notice(
    session: Session, tenant_id: int, kind: NoticeKind, data: Mapping[str, Any], *, key: str, now: datetime
) -> bool:
    """Write a notice and its mails, in the transaction of what it tells of. False when `key` was told before.

    `data` is JSON: times as ISO 8601, money in minor units. The caller commits; a job sends.
    """
    # Ids must become visible in their order: a reader's mark says "read up to".
    lock_object(session, "notices-of", tenant_id)
    row = insert(Notice).values(tenant_id=tenant_id, key=key, kind=kind.value, data=dict(data), created_at=now)
    notice_id = session.scalar(
        row.on_conflict_do_nothing(index_elements=["tenant_id", "key"]).returning(Notice.id),
    )
    if notice_id is None:
        return False
    recipients = _recipients(session, tenant_id, kind)
    store_mail(session, tenant_id, recipients, key=f"notice:{key}", notice_id=notice_id, invitation_id=None, now=now)
    return True


@dataclass(frozen=True, slots=True)
class ToldNotice:
    """A notice to be written, with its tenant and key; `data` as `store_notice` takes it."""

    tenant_id: int
    kind: NoticeKind
    data: Mapping[str, Any]
    key: str


def store_notices(session: Session, told: Iterable[ToldNotice], now: datetime) -> None:
    """Write notices of several tenants, in the order in which everybody takes their locks."""
    for each in sorted(told, key=lambda each: each.tenant_id):
        store_notice(session, each.tenant_id, each.kind, each.data, key=each.key, now=now)


_BELOW = (
    select(Notice)
    .where(Notice.tenant_id == bindparam("tenant_id"), Notice.id < bindparam("before"))
    .order_by(Notice.id.desc())
    .limit(bindparam("limit", type_=Integer))
)


def list_notices(session: Session, tenant_id: int, limit: int = PAGE, *, before: int | None = None) -> list[Notice]:
    """A tenant's notices, the newest first, those below the id `before`."""
    top = MAX_ID if before is None else min(before, MAX_ID)
    return list(session.scalars(_BELOW, {"tenant_id": tenant_id, "before": top, "limit": limit}))


def find_notice(session: Session, tenant_id: int, notice_id: int) -> Notice:
    """One notice.

    Raises `NotFound`.
    """
    found = session.get(Notice, (tenant_id, notice_id))
    if found is None:
        raise NotFound(f"no notice {notice_id}")
    return found


def read_up_to(session: Session, tenant_id: int, user_id: int) -> int:
    """The id of the newest notice that a member has marked as read; 0 for none."""
    mark = session.scalar(
        select(Membership.read_up_to).where(Membership.tenant_id == tenant_id, Membership.user_id == user_id)
    )
    return mark or 0


def mark_read(session: Session, tenant_id: int, user_id: int, notice_id: int) -> None:
    """Mark this notice and all before it as read by a member. A mark never goes back."""
    newest = (
        select(func.max(Notice.id))
        .where(Notice.tenant_id == tenant_id, Notice.id <= min(notice_id, MAX_ID))
        .scalar_subquery()
    )
    session.execute(
        update(Membership)
        .where(Membership.tenant_id == tenant_id, Membership.user_id == user_id, Membership.read_up_to < newest)
        .values(read_up_to=newest)
        .execution_options(synchronize_session=False)
    )


def _recipients(session: Session, tenant_id: int, kind: NoticeKind) -> list[str]:
    people = session.scalars(
        select(User.email)
        .join(Membership, Membership.user_id == User.id)
        .where(
            Membership.tenant_id == tenant_id,
            Membership.role.in_([Role.OWNER, Role.ADMIN]),
            Membership.wants_mail,
        )
        .order_by(User.email)
    )
    contact = session.get_one(Tenant, tenant_id).billing_email
    return [*people, *([contact] if kind in _OF_PAYMENT else [])]
