"""Money that no meter can bill or give back any more: proposed to staff, who accept or dismiss it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class ProposalKind(StrEnum):
    """An invoice item asks for money, a credit note gives it back."""

    INVOICE_ITEM = "invoice_item"
    CREDIT_NOTE = "credit_note"


class ProposalState(StrEnum):
    """Open until staff decided."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"


class BillingProposal(Base):
    """An amount for one usage type and billing period `[period_start, period_end)`.

    `quantity` (units) and `amount` (minor units of `currency`) are never negative: `kind` says which way. `invoice_id`
    is the Stripe invoice that lacks the usage or holds too much of it. `reason` is one of `proposals.REASONS`;
    `details` are what its page shows besides. `dedupe_key` names the difference: it is proposed once. An open proposal
    with `decided_by` is one that staff accepted and that Stripe has not confirmed yet.
    """

    __tablename__ = "billing_proposals"
    __table_args__ = (
        UniqueConstraint("tenant_id", "dedupe_key"),
        CheckConstraint("kind IN ('invoice_item', 'credit_note')", name="kind"),
        CheckConstraint("state IN ('open', 'accepted', 'dismissed')", name="state"),
        CheckConstraint("quantity >= 0 AND amount >= 0", name="not_negative"),
        Index("ix_billing_proposals_open", "tenant_id", "id", postgresql_where=text("state = 'open'")),
    )

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    kind: Mapped[str]
    usage_type: Mapped[str]
    quantity: Mapped[int]
    amount: Mapped[int]
    currency: Mapped[str]
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    bucket_start: Mapped[datetime | None]
    invoice_id: Mapped[str | None]
    reason: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    dedupe_key: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'open'"))
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    stripe_id: Mapped[str | None]
