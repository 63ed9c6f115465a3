"""The texts we asked Twilio to send: stored before the call, so that a crash after it loses nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base

# What Twilio is to be asked about: heard of by callback but not recorded, or recorded and not decided.
UNSETTLED = "sid IS NOT NULL AND (state = 'sending' OR delivery_status IN ('accepted', 'queued', 'sending'))"


class TextMessage(Base):
    """One request to send a text. The body itself is not kept, only its fingerprint.

    `reversed_at` is when its usage was taken back, because it never left Twilio.
    """

    __tablename__ = "text_messages"
    __table_args__ = (
        UniqueConstraint("tenant_id", "idempotency_key"),
        UniqueConstraint("tenant_id", "sid"),
        CheckConstraint("state IN ('sending', 'accepted', 'refused')", name="state"),
        Index("ix_text_messages_unsettled", "tenant_id", "requested_at", postgresql_where=text(UNSETTLED)),
    )

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    idempotency_key: Mapped[str]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    to_number: Mapped[str]
    from_number: Mapped[str]
    user_id: Mapped[str | None]
    details: Mapped[dict[str, Any]]
    state: Mapped[str]
    sid: Mapped[str | None]
    segments: Mapped[int | None]
    delivery_status: Mapped[str | None]
    error: Mapped[str | None]
    requested_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    reversed_at: Mapped[datetime | None]
