"""Our mirror of a tenant's Stripe invoices and their lines."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, Numeric
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dashboard.database import Base


class Invoice(Base):
    """A Stripe invoice as it was fetched last. Amounts are minor units of `currency`.

    `payment_attempts` is None for an invoice that was last fetched before they were kept.
    """

    __tablename__ = "invoices"
    __table_args__ = (Index("ix_invoices_created", "tenant_id", "created_at"),)

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str | None]
    status: Mapped[str]
    billing_reason: Mapped[str | None]
    subscription_id: Mapped[str | None]
    currency: Mapped[str]
    subtotal: Mapped[int]
    tax: Mapped[int]
    total: Mapped[int]
    amount_due: Mapped[int]
    amount_paid: Mapped[int]
    amount_remaining: Mapped[int]
    customer_name: Mapped[str | None]
    hosted_invoice_url: Mapped[str | None]
    invoice_pdf: Mapped[str | None]
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    finalized_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]
    payment_attempts: Mapped[int | None]
    synced_at: Mapped[datetime]
    lines: Mapped[list[InvoiceLine]] = relationship(
        order_by="InvoiceLine.position", cascade="all, delete-orphan", passive_deletes=True
    )


class InvoiceLine(Base):
    """One line. A metered price gives one line for each tier it reached, all with the same `price_id`."""

    __tablename__ = "invoice_lines"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    line_id: Mapped[str]
    description: Mapped[str | None]
    price_id: Mapped[str | None]
    usage_type: Mapped[str | None]
    quantity: Mapped[int | None]
    unit_amount_decimal: Mapped[Decimal | None] = mapped_column(Numeric)
    amount: Mapped[int]
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    proration: Mapped[bool]
