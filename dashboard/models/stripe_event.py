"""The webhook inbox: each Stripe event once, with what became of it; how far the catch-up looked; meter errors."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class StripeEventState(StrEnum):
    """Pending events wait for the worker, waiting ones for their customer, failed ones for staff; the rest is done."""

    PENDING = "pending"
    PROCESSED = "processed"
    IGNORED = "ignored"
    WAITING = "waiting"
    FAILED = "failed"


class StripeEvent(Base):
    """One event as it was delivered. It joins no tenant table: its tenant is known only after processing.

    `subject` is what is fetched for it ("invoice:in_1"; None: nothing), `object_id` what the event itself is about,
    `customer_id` whose it is. `note` is what staff should know, such as another API version. `payload` and `error` are
    emptied after the retention; the row stays, so that a late repeat is still known.
    """

    __tablename__ = "stripe_events"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'processed', 'ignored', 'waiting', 'failed')", name="state"),
        CheckConstraint("source IN ('delivery', 'catch-up')", name="source"),
        Index("ix_stripe_events_due", "next_attempt_at", postgresql_where=text("state = 'pending'")),
        Index("ix_stripe_events_subject", "subject", postgresql_where=text("state = 'pending'")),
        Index("ix_stripe_events_unsettled", "received_at", postgresql_where=text("state IN ('waiting', 'failed')")),
        Index("ix_stripe_events_kept", "received_at", "id", postgresql_where=text("payload IS NOT NULL")),
        Index(
            "ix_stripe_events_customer_time",
            "customer_id",
            "received_at",
            postgresql_where=text("customer_id IS NOT NULL"),
        ),
        Index("ix_stripe_events_noted", "received_at", postgresql_where=text("note IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    object_id: Mapped[str | None]
    subject: Mapped[str | None]
    customer_id: Mapped[str | None]
    api_version: Mapped[str | None]
    source: Mapped[str] = mapped_column(server_default=text("'delivery'"))
    note: Mapped[str | None]
    payload: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    received_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime]
    error: Mapped[str | None]
    processed_at: Mapped[datetime | None]


class StripeCatchUp(Base):
    """How far each of Stripe's event lists was read. `found` counts the events that the last look had to store."""

    __tablename__ = "stripe_catch_ups"

    name: Mapped[str] = mapped_column(primary_key=True)
    reached_at: Mapped[datetime]
    found: Mapped[int]


class MeterErrorReport(Base):
    """Stripe's report of meter events that it took and could not count.

    `errors` is `[{"code": str, "count": int, "samples": [{"message": str, "identifier": str}]}]`; an identifier is that
    of one of our meter events. `meter_id` is None where no meter has the event's name.
    """

    __tablename__ = "meter_error_reports"
    __table_args__ = (Index("ix_meter_error_reports_window", "window_end"),)

    event_id: Mapped[str] = mapped_column(primary_key=True)
    meter_id: Mapped[str | None]
    summary: Mapped[str]
    error_count: Mapped[int]
    errors: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    window_start: Mapped[datetime]
    window_end: Mapped[datetime]
    stored_at: Mapped[datetime]
