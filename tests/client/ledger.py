"""What the ledger holds after all."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from dashboard.database import db
from dashboard.models import UsageEvent, UsageRollup


def events() -> Sequence[UsageEvent]:
    """Every usage event, in the order of its record."""
    db.session.rollback()
    return db.session.scalars(select(UsageEvent).order_by(UsageEvent.id)).all()


def keys() -> set[str]:
    """The idempotency keys in the ledger."""
    return {event.idempotency_key for event in events()}


def counted() -> int:
    """What the rollups add up to."""
    db.session.rollback()
    return int(db.session.scalar(select(func.coalesce(func.sum(UsageRollup.quantity), 0))) or 0)
