"""Our mirror of the credit notes of a tenant's invoices, with their lines."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Numeric, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dashboard.database import Base


class CreditNote(Base):
    """A Stripe credit note. What came after payment was refunded, credited to the balance, or settled elsewhere."""

    __tablename__ = "credit_notes"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str]
    status: Mapped[str]
    type: Mapped[str]
    reason: Mapped[str | None]
    memo: Mapped[str | None]
    currency: Mapped[str]
    amount: Mapped[int]
    subtotal: Mapped[int]
    subtotal_excluding_tax: Mapped[int | None]
    total: Mapped[int]
    total_excluding_tax: Mapped[int | None]
    discount_amount: Mapped[int]
    taxes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    pre_payment_amount: Mapped[int]
    post_payment_amount: Mapped[int]
    out_of_band_amount: Mapped[int | None]
    balance_transaction_id: Mapped[str | None]
    pdf: Mapped[str]
    created_at: Mapped[datetime]
    effective_at: Mapped[datetime | None]
    voided_at: Mapped[datetime | None]
    lines: Mapped[list[CreditNoteLine]] = relationship(order_by="CreditNoteLine.position", viewonly=True)


class CreditNoteLine(Base):
    """One line of a credit note."""

    __tablename__ = "credit_note_lines"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "invoice_id", "credit_note_id"],
            ["credit_notes.tenant_id", "credit_notes.invoice_id", "credit_notes.id"],
            name="fk_credit_note_lines_credit_note",
            ondelete="CASCADE",
        ),
    )

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[str] = mapped_column(primary_key=True)
    credit_note_id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    line_id: Mapped[str]
    type: Mapped[str]
    invoice_line_id: Mapped[str | None]
    description: Mapped[str | None]
    quantity: Mapped[int | None]
    unit_amount_decimal: Mapped[Decimal | None] = mapped_column(Numeric)
    amount: Mapped[int]
    discount_amount: Mapped[int]
    taxes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
