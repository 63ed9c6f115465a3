"""What a tenant's people are told, in the dashboard and by e-mail, and when they want to be told."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class AlertRule(Base):
    """When to tell of `subject`, a usage type or "budget": at `percents` of what is included (or of the budget), at
    `units`. A subject without a rule has the usual percents; one whose lists are empty is never told of.
    """

    __tablename__ = "alert_rules"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    percents: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    units: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    set_by: Mapped[str]
    set_at: Mapped[datetime]


class Notice(Base):
    """Something the tenant's people are told, once for each `key`. `data` is what its words are made of."""

    __tablename__ = "notices"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    key: Mapped[str]
    kind: Mapped[str]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class MailState(StrEnum):
    """A pending mail is sent when its time comes; a failed one is not tried again."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class Mail(Base):
    """One mail to one address, written in the transaction of what it tells of: a notice, or an invitation's link.

    `lease_until` is real time: until then one worker has it.
    """

    __tablename__ = "mails"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key", "recipient"),
        CheckConstraint("state IN ('pending', 'sent', 'failed')", name="state"),
        Index("ix_mails_due", "tenant_id", "next_attempt_at", postgresql_where=text("state = 'pending'")),
        Index(
            "ix_mails_invitation",
            "tenant_id",
            "invitation_id",
            postgresql_where=text("invitation_id IS NOT NULL"),
        ),
    )

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    key: Mapped[str]
    recipient: Mapped[str]
    notice_id: Mapped[int | None]
    invitation_id: Mapped[int | None]
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None]
