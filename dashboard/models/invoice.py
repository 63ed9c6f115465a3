"""Our mirror of a tenant's Stripe invoices and their lines, as they were fetched last."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, Numeric, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dashboard.database import Base
from dashboard.models.credit_note import CreditNote
from dashboard.models.invoice_payment import InvoicePayment, PaymentAttempt, Refund

Rows = list[dict[str, Any]]


class Invoice(Base):
    """A Stripe invoice. Amounts are minor units of `currency`.

    `taxes`, `discounts`, `pretax_credits` and tax ids are lists of the facts of `billing.ports_invoices` by their
    names. `is_whole` is false, and `payment_attempts` may be None, for one last fetched before all of it was kept.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        Index("ix_invoices_created", "tenant_id", "created_at"),
        Index("ix_invoices_not_whole", "tenant_id", "id", postgresql_where=text("NOT is_whole")),
    )

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str | None]
    status: Mapped[str]
    billing_reason: Mapped[str | None]
    subscription_id: Mapped[str | None]
    customer_id: Mapped[str | None]
    currency: Mapped[str]
    subtotal: Mapped[int]
    subtotal_excluding_tax: Mapped[int | None]
    tax: Mapped[int]
    total: Mapped[int]
    total_excluding_tax: Mapped[int | None]
    amount_due: Mapped[int]
    amount_paid: Mapped[int]
    amount_remaining: Mapped[int]
    amount_overpaid: Mapped[int] = mapped_column(server_default=text("0"))
    amount_shipping: Mapped[int] = mapped_column(server_default=text("0"))
    amount_paid_off_stripe: Mapped[int | None]
    pre_payment_credit_notes_amount: Mapped[int] = mapped_column(server_default=text("0"))
    post_payment_credit_notes_amount: Mapped[int] = mapped_column(server_default=text("0"))
    starting_balance: Mapped[int] = mapped_column(server_default=text("0"))
    ending_balance: Mapped[int | None]
    taxes: Mapped[Rows] = mapped_column(JSONB, server_default=text("'[]'"))
    discounts: Mapped[Rows] = mapped_column(JSONB, server_default=text("'[]'"))
    pretax_credits: Mapped[Rows] = mapped_column(JSONB, server_default=text("'[]'"))
    automatic_tax_status: Mapped[str | None]
    collection_method: Mapped[str | None]
    auto_advance: Mapped[bool | None]
    account_name: Mapped[str | None]
    account_country: Mapped[str | None]
    account_tax_ids: Mapped[Rows] = mapped_column(JSONB, server_default=text("'[]'"))
    customer_name: Mapped[str | None]
    customer_email: Mapped[str | None]
    customer_phone: Mapped[str | None]
    customer_address: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    customer_tax_exempt: Mapped[str | None]
    customer_tax_ids: Mapped[Rows] = mapped_column(JSONB, server_default=text("'[]'"))
    description: Mapped[str | None]
    footer: Mapped[str | None]
    receipt_number: Mapped[str | None]
    from_invoice_id: Mapped[str | None]
    latest_revision_id: Mapped[str | None]
    finalization_error: Mapped[str | None]
    hosted_invoice_url: Mapped[str | None]
    invoice_pdf: Mapped[str | None]
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    automatically_finalizes_at: Mapped[datetime | None]
    finalized_at: Mapped[datetime | None]
    effective_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]
    voided_at: Mapped[datetime | None]
    marked_uncollectible_at: Mapped[datetime | None]
    payment_attempts: Mapped[int | None]
    next_payment_attempt: Mapped[datetime | None]
    is_whole: Mapped[bool] = mapped_column(server_default=text("false"))
    synced_at: Mapped[datetime]
    lines: Mapped[list[InvoiceLine]] = relationship(order_by="InvoiceLine.position", viewonly=True)
    payments: Mapped[list[InvoicePayment]] = relationship(
        order_by="(InvoicePayment.created_at, InvoicePayment.id)", viewonly=True
    )
    attempts: Mapped[list[PaymentAttempt]] = relationship(
        order_by="(PaymentAttempt.created_at, PaymentAttempt.id)", viewonly=True
    )
    credit_notes: Mapped[list[CreditNote]] = relationship(
        order_by="(CreditNote.created_at, CreditNote.id)", viewonly=True
    )
    refunds: Mapped[list[Refund]] = relationship(order_by="(Refund.created_at, Refund.id)", viewonly=True)


class InvoiceLine(Base):
    """One line. A metered price gives one line for each `tier` it reached, all with the same `price_id`."""

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
    product_id: Mapped[str | None]
    usage_type: Mapped[str | None]
    subscription_item_id: Mapped[str | None]
    invoice_item_id: Mapped[str | None]
    tier: Mapped[int | None]
    quantity: Mapped[int | None]
    quantity_decimal: Mapped[Decimal | None] = mapped_column(Numeric)
    unit_amount_decimal: Mapped[Decimal | None] = mapped_column(Numeric)
    amount: Mapped[int]
    subtotal: Mapped[int | None]
    taxes: Mapped[Rows] = mapped_column(JSONB, server_default=text("'[]'"))
    discounts: Mapped[Rows] = mapped_column(JSONB, server_default=text("'[]'"))
    pretax_credits: Mapped[Rows] = mapped_column(JSONB, server_default=text("'[]'"))
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    proration: Mapped[bool]
