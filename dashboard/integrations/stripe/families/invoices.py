"""Invoices, whole: amounts, lines, payments, credit notes. What is paid, refunded or disputed leads to them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.invoices import invoices
from dashboard.billing.ports.invoices import InvoiceFacts
from dashboard.billing.ports.providers import BillingProvider
from dashboard.integrations.stripe.subjects import (
    IGNORED,
    PROCESSED,
    Context,
    Fetch,
    Kind,
    Outcome,
    Pointer,
    Subject,
    Wanted,
    waits_for,
)
from dashboard.models import Invoice

CREDIT_NOTES = "credit_note."


def plan_invoices(session: Session, wanted: Wanted) -> Mapping[str, Fetch]:
    """An invoice's amounts tell of its credit notes, but for those that were voided: whoever knows of one, asks."""
    noted = invoices.list_credited(session, wanted.keys())
    noted |= {each for each, types in wanted.items() if any(kind.startswith(CREDIT_NOTES) for kind in types)}
    return {each: partial(_fetch_invoice, each, each in noted) for each in wanted}


def _fetch_invoice(invoice_id: str, has_credit_notes: bool, provider: BillingProvider) -> InvoiceFacts | None:
    return provider.fetch_invoice(invoice_id, has_credit_notes=has_credit_notes)


def apply_invoices(context: Context, found: Mapping[str, InvoiceFacts | None]) -> dict[str, Outcome]:
    """Overwrite our copies; a draft that was deleted at Stripe goes here too."""
    present = {each: facts for each, facts in found.items() if facts is not None}
    invoices.sync_invoices(context.mirror, list(present.values()))
    outcomes = {each: _forget(context, each) for each in found.keys() - present.keys()}
    for each, facts in present.items():
        known = context.mirror.tenant_of(facts.customer_id) is not None
        outcomes[each] = PROCESSED if known else waits_for(facts.customer_id)
    return outcomes


def _forget(context: Context, invoice_id: str) -> Outcome:
    gone = context.session.scalars(select(Invoice).where(Invoice.id == invoice_id)).first()
    if gone is None:
        return IGNORED
    invoices.remove_invoice(context.session, gone.tenant_id, invoice_id)
    return PROCESSED


INVOICE = Kind("invoice", 2, plan_invoices, apply_invoices)


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
