"""What is told to Stripe's meters, and the runs that tell it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class MeterEventState(StrEnum):
    """A meter event is pending until Stripe took it (sent) or refused it for good (rejected)."""

    PENDING = "pending"
    SENT = "sent"
    REJECTED = "rejected"


class MeterEvent(Base):
    """One claimed delta of one bucket. Identifier and payload never change after the claim."""

    __tablename__ = "meter_events"
    __table_args__ = (
        UniqueConstraint("tenant_id", "identifier"),
        CheckConstraint("state IN ('pending', 'sent', 'rejected')", name="state"),
        Index("ix_meter_events_pending", "tenant_id", "id", postgresql_where=text("state = 'pending'")),
        Index("ix_meter_events_rejected", "tenant_id", "id", postgresql_where=text("state = 'rejected'")),
    )

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    identifier: Mapped[str]
    usage_type: Mapped[str]
    bucket_start: Mapped[datetime]
    sequence: Mapped[int]
    event_name: Mapped[str]
    payload: Mapped[dict[str, Any]]
    value: Mapped[int]
    timestamp: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    duplicate: Mapped[bool] = mapped_column(server_default=text("false"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    error: Mapped[str | None]
    claimed_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class SyncState(StrEnum):
    """A run waits, works, and ends complete or failed."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


class SyncRun(Base):
    """One meter sync: over all tenants, or of the tenant in `tenant_id`. Of each, one run is live at a time.

    `tenant_id` is no foreign key: runs are a list for staff that joins no tenant table.
    """

    __tablename__ = "sync_runs"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'running', 'complete', 'failed')", name="state"),
        Index(
            "ux_sync_runs_one_live",
            "tenant_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    tenant_id: Mapped[int | None]
    state: Mapped[str]
    started_by: Mapped[str]
    requested_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    claimed: Mapped[int] = mapped_column(default=0)
    to_send: Mapped[int] = mapped_column(default=0)
    sent: Mapped[int] = mapped_column(default=0)
    duplicates: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
