"""Invoices, whole: amounts, lines, payments, credit notes. What is paid, refunded or disputed leads to them."""

from __future__ import annotations

from sqlalchemy import select

from dashboard.billing import invoices
from dashboard.billing.ports import BillingProvider
from dashboard.billing.ports_invoices import InvoiceFacts
from dashboard.integrations.stripe.subjects import (
    IGNORED,
    PROCESSED,
    Context,
    Kind,
    Outcome,
    Pointer,
    Subject,
    waits_for,
)
from dashboard.models import Invoice


def fetch_invoice(provider: BillingProvider, invoice_id: str) -> InvoiceFacts | None:
    """With its credit notes in any case: a voided one shows in none of the invoice's amounts."""
    return provider.fetch_invoice(invoice_id, has_credit_notes=True)


def apply_invoice(context: Context, invoice_id: str, facts: InvoiceFacts | None) -> Outcome:
    """Overwrite our copy; a draft that was deleted at Stripe goes here too."""
    if facts is not None:
        known = invoices.sync_invoice(context.session, facts, context.now)
        return PROCESSED if known else waits_for(facts.customer_id)
    gone = context.session.scalars(select(Invoice).where(Invoice.id == invoice_id)).first()
    if gone is None:
        return IGNORED
    invoices.remove_invoice(context.session, gone.tenant_id, invoice_id)
    return PROCESSED


INVOICE = Kind("invoice", 2, fetch_invoice, apply_invoice)


def follow_payment(provider: BillingProvider, payment_intent_id: str) -> Subject | None:
    """The invoice that a payment intent pays; a payment without one is not of our business."""
    invoice_id = provider.find_invoice_of_payment(payment_intent_id)
    return Subject(INVOICE.name, invoice_id) if invoice_id else None


def follow_charge(provider: BillingProvider, charge_id: str) -> Subject | None:
    """The same for an object that names only its charge."""
    payment_intent_id = provider.find_payment_of_charge(charge_id)
    return follow_payment(provider, payment_intent_id) if payment_intent_id else None


PAYMENT = Pointer("payment", follow_payment)
CHARGE = Pointer("charge", follow_charge)
