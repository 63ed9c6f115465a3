"""Our mirror of a tenant's Stripe subscriptions, and the billing periods learnt from them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class Subscription(Base):
    """A Stripe subscription as it was fetched last. `plan` follows from its base price.

    `plan` is None where no price of it means a plan of ours; `unknown_price_ids` then names those that could.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        Index("ix_subscriptions_unknown_prices", "tenant_id", postgresql_where=text("unknown_price_ids <> '{}'")),
    )

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    plan: Mapped[str | None]
    price_id: Mapped[str | None]
    interval: Mapped[str | None]
    current_period_start: Mapped[datetime | None]
    current_period_end: Mapped[datetime | None]
    cancel_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    synced_at: Mapped[datetime]
    price_ids: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    unknown_price_ids: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))


class BillingPeriod(Base):
    """A period `[starts_at, ends_at)` for which Stripe bills this tenant's usage, UTC, to the second.

    `check_due_at` is when its reconciliation is due; None once ledger, meters and final invoice were found equal.
    """

    __tablename__ = "billing_periods"
    __table_args__ = (
        CheckConstraint("ends_at >= starts_at", name="order"),
        Index("ix_billing_periods_end", "tenant_id", "ends_at"),
        Index(
            "ix_billing_periods_check_due",
            "tenant_id",
            "check_due_at",
            postgresql_where=text("check_due_at IS NOT NULL"),
        ),
    )

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    ends_at: Mapped[datetime]
    subscription_id: Mapped[str]
    plan: Mapped[str | None]
    check_due_at: Mapped[datetime | None] = mapped_column(server_default=text("'epoch'"))
