"""What may stop an action before it happens: a tenant's caps and budget, and what is reserved against them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class UsageCap(Base):
    """The most of one usage type that a tenant wants to use in a billing period."""

    __tablename__ = "usage_caps"
    __table_args__ = (CheckConstraint("quantity >= 0", name="quantity"),)

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    usage_type: Mapped[str] = mapped_column(primary_key=True)
    quantity: Mapped[int]
    set_by: Mapped[str]
    set_at: Mapped[datetime]


class UsageBudget(Base):
    """What a tenant's usage beyond its plan may cost in a billing period, in minor units of `currency`.

    With `stops` an action that would pass it is stopped; without, people are only told.
    """

    __tablename__ = "usage_budgets"
    __table_args__ = (CheckConstraint("amount >= 0", name="amount"),)

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    amount: Mapped[int]
    currency: Mapped[str]
    stops: Mapped[bool] = mapped_column(server_default=text("true"))
    set_by: Mapped[str]
    set_at: Mapped[datetime]


class UsageReservation(Base):
    """Units put aside for an action under way. Gone once the action is recorded, failed or forgotten (`expires_at`)."""

    __tablename__ = "usage_reservations"
    __table_args__ = (CheckConstraint("quantity >= 0", name="quantity"),)

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    usage_type: Mapped[str]
    quantity: Mapped[int]
    reserved_at: Mapped[datetime]
    expires_at: Mapped[datetime]
