"""What both ways of tracking are tested with."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.models import UsageEvent, UsageReservation

AI = "CONTENT_AI_GENERATED"


class Outage(Exception):
    """What an action may end with."""


def usage_of(session: Session, tenant_id: int) -> list[UsageEvent]:
    return list(session.scalars(select(UsageEvent).where(UsageEvent.tenant_id == tenant_id).order_by(UsageEvent.id)))


def reservations(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(UsageReservation)) or 0
