"""The webhook inbox: each Stripe event once, with what became of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class StripeEventState(StrEnum):
    """Pending events wait for the worker, failed ones for staff; the others are done."""

    PENDING = "pending"
    PROCESSED = "processed"
    IGNORED = "ignored"
    FAILED = "failed"


class StripeEvent(Base):
    """One event as it was delivered. It joins no tenant table: its tenant is known only after processing."""

    __tablename__ = "stripe_events"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'processed', 'ignored', 'failed')", name="state"),
        Index("ix_stripe_events_due", "next_attempt_at", postgresql_where=text("state = 'pending'")),
        Index("ix_stripe_events_waiting", "object_id", postgresql_where=text("state = 'pending'")),
        Index("ix_stripe_events_failed", "received_at", postgresql_where=text("state = 'failed'")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    object_id: Mapped[str | None]
    api_version: Mapped[str | None]
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    received_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime]
    error: Mapped[str | None]
    processed_at: Mapped[datetime | None]
