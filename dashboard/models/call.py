"""Calls: those we asked Twilio to make (stored before it is asked) and those that came in."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class Direction(StrEnum):
    """Who called: we, or somebody one of the tenant's numbers."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


class Call(Base):
    """One call. What was said in it is not kept.

    `duration` is whole seconds. `ended_at` is when it ended by Twilio's word, None while it may still go on.
    Only a call that we were asked to make has an idempotency key and a fingerprint.
    """

    __tablename__ = "calls"
    __table_args__ = (
        UniqueConstraint("tenant_id", "idempotency_key"),
        UniqueConstraint("tenant_id", "sid"),
        CheckConstraint("state IN ('sending', 'accepted', 'refused')", name="state"),
        CheckConstraint("direction IN ('outbound', 'inbound')", name="direction"),
        CheckConstraint(
            "direction = 'inbound' OR (idempotency_key IS NOT NULL AND fingerprint IS NOT NULL)", name="outbound_key"
        ),
        Index(
            "ix_calls_unsettled",
            "tenant_id",
            "requested_at",
            postgresql_where=text("sid IS NOT NULL AND ended_at IS NULL"),
        ),
    )

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    direction: Mapped[str]
    idempotency_key: Mapped[str | None]
    fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary)
    to_number: Mapped[str]
    from_number: Mapped[str]
    user_id: Mapped[str | None]
    details: Mapped[dict[str, Any]]
    state: Mapped[str]
    sid: Mapped[str | None]
    status: Mapped[str | None]
    duration: Mapped[int | None]
    error: Mapped[str | None]
    requested_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
