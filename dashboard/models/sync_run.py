"""The runs that tell Stripe's meters what was used."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Identity, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class SyncState(StrEnum):
    """A run waits, works, and ends complete, failed or canceled."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELED = "canceled"


class SyncRun(Base):
    """One meter sync: over all tenants, or of the tenant in `tenant_id`; of all meters, or of those in `usage_types`.

    Of each such scope one run is live at a time. `usage_types` is sorted. `tenant_id` is no foreign key: runs are a
    list for staff. `sending_at` is when it had claimed and began to send; `cancel_requested` ends it after the chunk in
    hand.
    """

    __tablename__ = "sync_runs"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'running', 'complete', 'failed', 'canceled')", name="state"),
        Index(
            "ux_sync_runs_one_live",
            "tenant_id",
            "usage_types",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
        Index("ix_sync_runs_tenant", "tenant_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    tenant_id: Mapped[int | None]
    usage_types: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    state: Mapped[str]
    started_by: Mapped[str]
    requested_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    sending_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    cancel_requested: Mapped[bool] = mapped_column(server_default=text("false"))
    canceled_by: Mapped[str | None]
    claimed: Mapped[int] = mapped_column(default=0)
    to_send: Mapped[int] = mapped_column(default=0)
    sent: Mapped[int] = mapped_column(default=0)
    duplicates: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
