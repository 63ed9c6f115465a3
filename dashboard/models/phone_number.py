"""Whose number is whose, and what arrived at numbers nobody has yet."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class PhoneNumber(Base):
    """A number in E.164 and the tenant that has it.

    The one table that is asked without a tenant: a webhook knows only the number. So the number alone is the key.
    """

    __tablename__ = "phone_numbers"
    __table_args__ = (Index("ix_phone_numbers_tenant_id", "tenant_id"),)

    number: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"))
    assigned_at: Mapped[datetime]


class UnassignedCallback(Base):
    """A signed webhook about a number that no tenant has: kept until the number is assigned, then recorded.

    One row for each SID and status, however often Twilio repeats itself. `quantity` is the segments of a text, or
    the whole seconds of a call that ended.
    """

    __tablename__ = "unassigned_callbacks"
    __table_args__ = (
        CheckConstraint("kind IN ('text', 'call')", name="kind"),
        Index("ix_unassigned_callbacks_to_number", "to_number", "received_at"),
    )

    sid: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    to_number: Mapped[str]
    from_number: Mapped[str]
    quantity: Mapped[int | None]
    happened_at: Mapped[datetime]
    received_at: Mapped[datetime]
