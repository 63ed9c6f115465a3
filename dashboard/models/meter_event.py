"""What is told to Stripe's meters, and the runs that tell it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class MeterEventState(StrEnum):
    """A meter event is pending until Stripe took it (sent) or refused it for good, at once or later (rejected).

    Superseded: another took its place. Canceled: taken back by an adjustment. Neither must count at Stripe.
    """

    PENDING = "pending"
    SENT = "sent"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    CANCELED = "canceled"


class MeterEventKind(StrEnum):
    """What an event is for: a claimed delta or level, another try of one, or what Stripe needed to be equal again."""

    USAGE = "usage"
    RESEND = "resend"
    REPAIR = "repair"


class MeterEvent(Base):
    """One claimed delta of one bucket, or the reading of a level. Identifier and payload never change.

    What Stripe was told of a bucket is the sum of the values of kinds usage and resend that are sent (of a level: the
    last one's value); a repair is what Stripe needed besides. `replaces_id` is the event that a resend took the place
    of. `error_code` is Stripe's. `tried_at` is when it was handed to Stripe first, written before that. While
    `cancel_asked_at` stands on a sent event, its adjustment is under way.
    """

    __tablename__ = "meter_events"
    __table_args__ = (
        UniqueConstraint("tenant_id", "identifier"),
        CheckConstraint("state IN ('pending', 'sent', 'rejected', 'superseded', 'canceled')", name="state"),
        CheckConstraint("kind IN ('usage', 'resend', 'repair')", name="kind"),
        ForeignKeyConstraint(
            ["tenant_id", "replaces_id"],
            ["meter_events.tenant_id", "meter_events.id"],
            name="fk_meter_events_replaces",
            ondelete="RESTRICT",
        ),
        Index(
            "ux_meter_events_replaces",
            "tenant_id",
            "replaces_id",
            unique=True,
            postgresql_where=text("replaces_id IS NOT NULL"),
        ),
        Index(
            "ix_meter_events_cancel_asked",
            "tenant_id",
            "id",
            postgresql_where=text("cancel_asked_at IS NOT NULL AND state = 'sent'"),
        ),
        Index("ix_meter_events_bucket", "tenant_id", "usage_type", "bucket_start"),
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
    error_code: Mapped[str | None]
    kind: Mapped[str] = mapped_column(server_default=text("'usage'"))
    replaces_id: Mapped[int | None]
    run_id: Mapped[int | None]
    cancel_asked_at: Mapped[datetime | None]
    tried_at: Mapped[datetime | None]
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
