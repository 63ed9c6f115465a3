"""How a tenant's invoices were paid, as Stripe has it: payments, each try at one, and refunds."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class InvoicePayment(Base):
    """A payment of an invoice. `failure_message` is why its last try failed, None once one has succeeded."""

    __tablename__ = "invoice_payments"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    type: Mapped[str]
    currency: Mapped[str]
    amount_requested: Mapped[int]
    amount_paid: Mapped[int | None]
    is_default: Mapped[bool]
    payment_intent_id: Mapped[str | None]
    intent_status: Mapped[str | None]
    failure_code: Mapped[str | None]
    failure_message: Mapped[str | None]
    created_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]
    canceled_at: Mapped[datetime | None]


class PaymentAttempt(Base):
    """One try at a payment that reached the customer's bank: a Stripe charge."""

    __tablename__ = "invoice_payment_attempts"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    payment_id: Mapped[str]
    status: Mapped[str]
    currency: Mapped[str]
    amount: Mapped[int]
    amount_refunded: Mapped[int]
    disputed: Mapped[bool]
    method_type: Mapped[str | None]
    brand: Mapped[str | None]
    last4: Mapped[str | None]
    failure_code: Mapped[str | None]
    failure_message: Mapped[str | None]
    created_at: Mapped[datetime]


class Refund(Base):
    """Money of an invoice given back. `credit_note_id` is the credit note that did it, if one did."""

    __tablename__ = "refunds"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    charge_id: Mapped[str | None]
    payment_intent_id: Mapped[str | None]
    credit_note_id: Mapped[str | None]
    currency: Mapped[str]
    amount: Mapped[int]
    status: Mapped[str | None]
    reason: Mapped[str | None]
    failure_reason: Mapped[str | None]
    created_at: Mapped[datetime]
