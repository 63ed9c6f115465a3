"""Our mirror of Stripe invoices: overwritten from what Stripe says, lines and all."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy.orm import Session

from dashboard.billing.announcements import announce_invoice, state_of_invoice
from dashboard.billing.customers import hold_mirror
from dashboard.billing.period_segments import learn_billed
from dashboard.billing.plans import usage_types_of_prices
from dashboard.billing.ports import InvoiceFacts
from dashboard.models import Invoice, InvoiceLine


def sync_invoice(session: Session, facts: InvoiceFacts, now: datetime) -> bool:
    """Overwrite our copy and its lines from Stripe's. False when the customer is none of our tenants."""
    tenant = hold_mirror(session, facts.customer_id)
    if tenant is None:
        return False
    price_ids = {line.price_id for line in facts.lines if line.price_id}
    types = usage_types_of_prices(session, price_ids)
    fields = {key: value for key, value in asdict(facts).items() if key not in {"lines", "customer_id"}}
    invoice = session.get(Invoice, (tenant.id, facts.id), populate_existing=True)
    before = state_of_invoice(invoice)
    if invoice is None:
        invoice = Invoice(tenant_id=tenant.id, synced_at=now, **fields)
        session.add(invoice)
    else:
        for key, value in fields.items():
            setattr(invoice, key, value)
        invoice.synced_at = now
        invoice.lines.clear()
        session.flush()
    for position, line in enumerate(facts.lines):
        invoice.lines.append(
            InvoiceLine(
                tenant_id=tenant.id,
                position=position,
                line_id=line.id,
                description=line.description,
                price_id=line.price_id,
                usage_type=types.get(line.price_id or ""),
                quantity=line.quantity,
                unit_amount_decimal=line.unit_amount_decimal,
                amount=line.amount,
                period_start=line.period_start,
                period_end=line.period_end,
                proration=line.proration,
            )
        )
    session.flush()
    learn_billed(session, invoice)
    announce_invoice(session, invoice, before, now)
    return True


def remove_invoice(session: Session, tenant_id: int, invoice_id: str) -> None:
    """Forget a draft that was deleted at Stripe."""
    invoice = session.get(Invoice, (tenant_id, invoice_id))
    if invoice is not None:
        session.delete(invoice)
        session.flush()
