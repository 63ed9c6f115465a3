"""Outgoing webhooks: where a tenant wants to hear of things, what was announced, and how each delivery went."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class WebhookEndpoint(Base):
    """An address of a tenant. Its secret is derived from `salt`; `secret_check` tells a changed signing key."""

    __tablename__ = "webhook_endpoints"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    url: Mapped[str]
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    disabled_reason: Mapped[str | None]
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    secret_check: Mapped[bytes] = mapped_column(LargeBinary)
    created_by: Mapped[str | None]
    created_at: Mapped[datetime]


class WebhookMessage(Base):
    """Something announced to a tenant, once for each `key`. `body` is what is sent, to the byte."""

    __tablename__ = "webhook_messages"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    key: Mapped[str]
    event_type: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime]


class DeliveryState(StrEnum):
    """Pending deliveries are sent when their time comes; a failed one waits for replay."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class WebhookDelivery(Base):
    """One message on its way to one endpoint.

    `attempts` counts all of them, `failures` those since it was last begun (which set the pause before the next).
    `lease_until` is real time: until then one worker has it. `delivered_at` is the first success.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("tenant_id", "message_id", "endpoint_id"),
        ForeignKeyConstraint(
            ["tenant_id", "endpoint_id"],
            ["webhook_endpoints.tenant_id", "webhook_endpoints.id"],
            name="fk_webhook_deliveries_endpoint",
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "message_id"],
            ["webhook_messages.tenant_id", "webhook_messages.id"],
            name="fk_webhook_deliveries_message",
            ondelete="CASCADE",
        ),
        CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="state"),
        Index("ix_webhook_deliveries_of_endpoint", "tenant_id", "endpoint_id", "id"),
        Index(
            "ix_webhook_deliveries_due",
            "tenant_id",
            "endpoint_id",
            "next_attempt_at",
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_webhook_deliveries_failed",
            "tenant_id",
            "endpoint_id",
            "id",
            postgresql_where=text("state = 'failed'"),
        ),
    )

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    message_id: Mapped[int]
    endpoint_id: Mapped[int]
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]


class WebhookAttempt(Base):
    """One request to an endpoint: its HTTP status and the beginning of the answer, or why there was none."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "delivery_id"],
            ["webhook_deliveries.tenant_id", "webhook_deliveries.id"],
            name="fk_webhook_attempts_delivery",
            ondelete="CASCADE",
        ),
    )

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    delivery_id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    attempted_at: Mapped[datetime]
    duration_ms: Mapped[int]
    status: Mapped[int | None]
    answer: Mapped[str]
    error: Mapped[str | None]
