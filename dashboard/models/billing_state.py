"""Where a tenant stands with its bill: what follows from its subscription and invoices."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class Access(StrEnum):
    """What a tenant may do: everything; everything for a while yet; read, but send nothing."""

    FULL = "full"
    GRACE = "grace"
    READ_ONLY = "read_only"


class BillingState(Base):
    """The state of one tenant. A tenant without a row is on Free and owes nothing.

    `status` is that of the subscription that counts, "none" where there is none. `read_only_at` is when a grace ends
    or has ended. `stripe_features` are Stripe's active entitlements, None while it has told of none; `entitlements`
    is what holds. `stale_since` says that something under it changed; `revision` counts what was announced.
    """

    __tablename__ = "billing_states"
    __table_args__ = (
        CheckConstraint("access IN ('full', 'grace', 'read_only')", name="access"),
        Index("ix_billing_states_stale", "tenant_id", postgresql_where=text("stale_since IS NOT NULL")),
        Index("ix_billing_states_restricted", "tenant_id", postgresql_where=text("access <> 'full'")),
        Index(
            "ix_billing_states_owing",
            "delinquent_since",
            "tenant_id",
            postgresql_where=text("access <> 'full' OR delinquent_since IS NOT NULL"),
        ),
    )

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    plan: Mapped[str] = mapped_column(server_default=text("'free'"))
    interval: Mapped[str | None]
    subscription_id: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default=text("'none'"))
    period_start: Mapped[datetime | None]
    period_end: Mapped[datetime | None]
    cancel_at: Mapped[datetime | None]
    access: Mapped[str] = mapped_column(server_default=text("'full'"))
    read_only_at: Mapped[datetime | None]
    delinquent_since: Mapped[datetime | None]
    invoice_id: Mapped[str | None]
    amount_owed: Mapped[int] = mapped_column(server_default=text("0"))
    currency: Mapped[str | None]
    next_payment_attempt: Mapped[datetime | None]
    entitlements: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    stripe_features: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    revision: Mapped[int] = mapped_column(server_default=text("0"))
    changed_at: Mapped[datetime | None]
    stale_since: Mapped[datetime | None]

    def is_stopped(self, now: datetime) -> bool:
        """Whether sending is stopped: a grace ends to the second, whether or not a job has run since."""
        return self.access == Access.READ_ONLY or (self.read_only_at is not None and self.read_only_at <= now)
