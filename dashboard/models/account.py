"""Who there is: tenants, people, what a person may do for a tenant, and the keys of a tenant's services."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dashboard.database import Base


class Role(StrEnum):
    """What a member may do: an owner and an admin buy and change plans, a viewer reads."""

    OWNER = "owner"
    ADMIN = "admin"
    VIEWER = "viewer"


class Tenant(Base):
    """A customer of the platform. Its usage keeps it from being deleted (foreign key, RESTRICT).

    Its pages write numbers and money as `locale` (BCP 47) does, and times in `time_zone` (IANA). Billing stays in UTC.
    """

    __tablename__ = "tenants"
    __table_args__ = (Index("ix_tenants_name", text("lower(name)"), "id"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    billing_email: Mapped[str]
    stripe_customer_id: Mapped[str | None] = mapped_column(index=True)
    sms_from: Mapped[str | None]
    time_zone: Mapped[str] = mapped_column(server_default=text("'UTC'"))
    locale: Mapped[str] = mapped_column(server_default=text("'en-US'"))
    created_at: Mapped[datetime]


class User(Base):
    """A person who logs in. Staff see what is about all tenants, and one tenant's pages read-only."""

    __tablename__ = "users"
    __table_args__ = (Index("ux_users_email", "email", unique=True),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    email: Mapped[str]
    name: Mapped[str]
    password_hash: Mapped[str]
    is_staff: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class Membership(Base):
    """A person's role in one tenant, whether its notices come by mail, and up to which notice they were read."""

    __tablename__ = "memberships"
    __table_args__ = (CheckConstraint("role IN ('owner', 'admin', 'viewer')", name="role"),)

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    role: Mapped[str]
    wants_mail: Mapped[bool] = mapped_column(server_default=text("true"))
    read_up_to: Mapped[int] = mapped_column(server_default=text("0"))
    tenant: Mapped[Tenant] = relationship()


class ApiKey(Base):
    """The key of one of a tenant's services. Only its SHA-256 is kept: the key has 192 random bits.

    `scopes` says what it may do, `last_four` is shown so that people can tell keys apart (None for a key from before
    they were kept), `last_used_at` is true to a minute.
    """

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("tenant_id", "key_hash"),)

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    key_hash: Mapped[bytes] = mapped_column(LargeBinary)
    last_four: Mapped[str | None]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_by: Mapped[str | None]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
