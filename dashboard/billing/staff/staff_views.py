"""Staff look at a tenant's pages: read-only, for a reason, for an hour at most, and the tenant's audit trail says so.

Without a view staff see nothing under a tenant's addresses (docs/decisions/0044).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput, NotFound
from dashboard.billing.fields import need_text
from dashboard.billing.tenants.audit import Actor, ActorKind, record_audit
from dashboard.database import lock_object
from dashboard.models import StaffView, Tenant, User

LONGEST_VIEW = timedelta(hours=1)
LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class LiveView:
    """A view that holds: whose pages it opens, and until when."""

    tenant_id: int
    tenant_name: str
    ends_at: datetime


def start_view(session: Session, user: User, tenant_id: int, reason: str, now: datetime) -> StaffView:
    """Open a tenant's pages to this member of staff; a view of before ends.

    Raises `InvalidInput` without a reason, `NotFound`.
    """
    reason = need_text(reason.strip(), "reason", longest=LONGEST_REASON)
    if not reason.isprintable():
        raise InvalidInput("reason", "must be one line of text")
    tenant = session.get(Tenant, tenant_id)
    if tenant is None:
        raise NotFound(f"no tenant {tenant_id}")
    lock_object(session, "staff-view-of", user.id)
    stop_view(session, user, now)
    view = StaffView(tenant_id=tenant_id, user_id=user.id, reason=reason, started_at=now, ends_at=now + LONGEST_VIEW)
    session.add(view)
    session.flush()
    record_audit(
        session,
        actor=Actor(user.email, ActorKind.STAFF),
        tenant_id=tenant_id,
        action="view.started",
        subject=reason,
        details={"view": view.id, "until": view.ends_at.isoformat()},
        now=now,
    )
    return view


def stop_view(session: Session, user: User, now: datetime) -> int | None:
    """End this person's view; answers whose pages it showed, None where there was none."""
    view = session.scalars(select(StaffView).where(_of(user)).with_for_update()).first()
    if view is None:
        return None
    _end(session, view, user.email, min(now, view.ends_at))
    return view.tenant_id


def find_view(session: Session, user: User, now: datetime) -> LiveView | None:
    """The view of this person that holds now."""
    row = session.execute(
        select(StaffView.tenant_id, Tenant.name, StaffView.ends_at)
        .join(Tenant, Tenant.id == StaffView.tenant_id)
        .where(_of(user), StaffView.ends_at > now)
    ).first()
    return LiveView(*row) if row else None


def end_views(session: Session, now: datetime) -> None:
    """Note the end of every view whose time is up: nobody may have come back to stop it."""
    over = session.execute(
        select(StaffView, User.email)
        .join(User, User.id == StaffView.user_id)
        .where(StaffView.stopped_at.is_(None), StaffView.ends_at <= now)
        .with_for_update(of=StaffView, skip_locked=True)
    ).all()
    for view, email in over:
        _end(session, view, email, view.ends_at)


def _of(user: User) -> ColumnElement[bool]:
    return (StaffView.user_id == user.id) & StaffView.stopped_at.is_(None)


def _end(session: Session, view: StaffView, email: str, at: datetime) -> None:
    view.stopped_at = at
    record_audit(
        session,
        actor=Actor(email, ActorKind.STAFF),
        tenant_id=view.tenant_id,
        action="view.stopped",
        subject=view.reason,
        details={"view": view.id},
        now=at,
    )
