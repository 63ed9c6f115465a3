"""Our mirror of Stripe invoices: overwritten whole from what Stripe says, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from dashboard.billing.announcements import announce_invoice, state_of_invoice
from dashboard.billing.billing_state import mark_stale
from dashboard.billing.customers import hold_mirror, tenant_of_customer
from dashboard.billing.period_segments import learn_billed
from dashboard.billing.plans import usage_types_of_prices
from dashboard.billing.ports_invoices import InvoiceFacts, InvoiceProvider
from dashboard.models import (
    CreditNote,
    CreditNoteLine,
    Invoice,
    InvoiceLine,
    InvoicePayment,
    PaymentAttempt,
    Refund,
)

# What hangs on an invoice, each overwritten with it.
PARTS = ("lines", "payments", "attempts", "credit_notes", "refunds")
COLUMNS = tuple(field.name for field in fields(InvoiceFacts) if field.name not in PARTS)


def sync_invoice(session: Session, facts: InvoiceFacts, now: datetime) -> bool:
    """Overwrite our copy and all that hangs on it from Stripe's. False when the customer is none of our tenants."""
    tenant = hold_mirror(session, facts.customer_id)
    if tenant is None:
        return False
    invoice = session.get(Invoice, (tenant.id, facts.id), populate_existing=True)
    before = state_of_invoice(invoice)
    if invoice is None:
        invoice = Invoice(tenant_id=tenant.id, id=facts.id)
        session.add(invoice)
    for name in COLUMNS:
        setattr(invoice, name, _plain(getattr(facts, name)))
    invoice.is_whole, invoice.synced_at = True, now
    session.flush()
    _overwrite_parts(session, tenant.id, facts)
    session.expire(invoice, PARTS)
    learn_billed(session, invoice)
    announce_invoice(session, invoice, before, now)
    mark_stale(session, tenant.id, now)
    return True


def remove_invoice(session: Session, tenant_id: int, invoice_id: str) -> None:
    """Forget a draft that was deleted at Stripe."""
    invoice = session.get(Invoice, (tenant_id, invoice_id))
    if invoice is not None:
        session.delete(invoice)
        session.flush()


def fetch_whole_invoice(
    session: Session, provider: InvoiceProvider, invoice_id: str, *, has_credit_notes: bool = False
) -> InvoiceFacts | None:
    """The invoice from Stripe with its credit notes, or None where Stripe has none.

    A voided credit note shows in none of an invoice's amounts: so where we hold one, they are asked for.
    """
    facts = provider.fetch_invoice(invoice_id, has_credit_notes=has_credit_notes)
    if facts is None or facts.credit_notes or has_credit_notes:
        return facts
    tenant = tenant_of_customer(session, facts.customer_id)
    held = (
        tenant
        and session.scalars(
            select(CreditNote.id).where(CreditNote.tenant_id == tenant.id, CreditNote.invoice_id == invoice_id)
        ).first()
    )
    return provider.fetch_invoice(invoice_id, has_credit_notes=True) if held else facts


def list_partial_invoices(session: Session, *, limit: int = 100) -> list[tuple[int, str]]:
    """(tenant, id) of invoices last fetched before all of them was kept: to be fetched again."""
    partial = select(Invoice.tenant_id, Invoice.id).where(~Invoice.is_whole)
    rows = session.execute(partial.order_by(Invoice.tenant_id, Invoice.id).limit(limit))
    return [(row.tenant_id, row.id) for row in rows]


def give_up_on_invoice(session: Session, tenant_id: int, invoice_id: str) -> None:
    """Keep an invoice as it is: Stripe has it no more, or its customer is let go."""
    session.get_one(Invoice, (tenant_id, invoice_id)).is_whole = True
    session.flush()


def _overwrite_parts(session: Session, tenant_id: int, facts: InvoiceFacts) -> None:
    own = {"tenant_id": tenant_id, "invoice_id": facts.id}
    types = usage_types_of_prices(session, {line.price_id for line in facts.lines if line.price_id})
    lines = [
        {**own, "position": n, "usage_type": types.get(line.price_id or ""), **_row(line, id_as="line_id")}
        for n, line in enumerate(facts.lines)
    ]
    noted = [
        {**own, "credit_note_id": note.id, "position": n, **_row(line, id_as="line_id")}
        for note in facts.credit_notes
        for n, line in enumerate(note.lines)
    ]
    _overwrite(session, InvoiceLine, own, lines)
    _overwrite(session, InvoicePayment, own, [{**own, **_row(each)} for each in facts.payments])
    _overwrite(session, PaymentAttempt, own, [{**own, **_row(each)} for each in facts.attempts])
    _overwrite(session, Refund, own, [{**own, **_row(each)} for each in facts.refunds])
    # Its lines go with a credit note.
    _overwrite(session, CreditNote, own, [{**own, **_row(each)} for each in facts.credit_notes])
    _overwrite(session, CreditNoteLine, own, noted)


def _overwrite(session: Session, table: type[Any], own: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    session.execute(delete(table).where(table.tenant_id == own["tenant_id"], table.invoice_id == own["invoice_id"]))
    if rows:
        session.execute(insert(table), rows)


def _row(facts: Any, *, id_as: str = "id") -> dict[str, Any]:
    """The columns of a part; the lines of a credit note are rows of their own."""
    row = {field.name: _plain(getattr(facts, field.name)) for field in fields(facts) if field.name != "lines"}
    row[id_as] = row.pop("id")
    return row


def _plain(value: Any) -> Any:
    """Facts within facts as JSON: a list of objects, or one."""
    if isinstance(value, tuple):
        return [asdict(each) for each in value]
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value
