"""Hosted checkouts that were begun, billing actions by their idempotency key, and what is to come."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class CheckoutState(StrEnum):
    """An open checkout can still be paid; the others are over."""

    OPEN = "open"
    COMPLETE = "complete"
    EXPIRED = "expired"


class CheckoutSession(Base):
    """A hosted checkout of one choice. A tenant has one open checkout at most.

    `mode` is "subscription" (Stripe makes the subscription) or "setup" (Stripe keeps the card, we make it).
    `price_ids` holds the base price first, then the metered ones.
    """

    __tablename__ = "checkout_sessions"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'complete', 'expired')", name="state"),
        CheckConstraint("mode IN ('subscription', 'setup')", name="mode"),
        Index("ux_checkout_sessions_open", "tenant_id", unique=True, postgresql_where=text("state = 'open'")),
    )

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    plan: Mapped[str]
    interval: Mapped[str]
    mode: Mapped[str]
    price_ids: Mapped[list[str]] = mapped_column(JSONB)
    trial_days: Mapped[int]
    url: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'open'"))
    subscription_id: Mapped[str | None]
    created_at: Mapped[datetime]


class BillingRequest(Base):
    """A billing action that was done: the same key again gets the same answer and does nothing."""

    __tablename__ = "billing_requests"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    idempotency_key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class SubscriptionOutlook(Base):
    """What is to come for a subscription, as it was fetched last; beside our mirror of what it is.

    `renews_at` is when the base fee is due again (of a yearly plan the year's end). `scheduled_*` is a change that a
    schedule brings, `waiting_until` the end of a change that waits for its payment.
    """

    __tablename__ = "subscription_outlooks"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    subscription_id: Mapped[str] = mapped_column(primary_key=True)
    renews_at: Mapped[datetime | None]
    trial_end: Mapped[datetime | None]
    scheduled_plan: Mapped[str | None]
    scheduled_interval: Mapped[str | None]
    scheduled_at: Mapped[datetime | None]
    waiting_until: Mapped[datetime | None]
