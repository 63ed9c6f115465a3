"""Handlers of events that change an invoice or a tenant's entitlements. Each finds the object and overwrites ours.

A credit note, a payment, a refund and a dispute are parts of their invoice: the invoice is fetched whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from dashboard.billing import billing_state, customers, invoices
from dashboard.database import lock_object
from dashboard.models import Invoice, StripeEvent

if TYPE_CHECKING:
    from dashboard.integrations.stripe.handlers import Context


def sync_invoice(context: Context, event: StripeEvent) -> bool:
    """All of an invoice; a draft deleted at Stripe goes here too."""
    return _sync_whole(context, event.object_id or "", has_credit_notes=False)


def sync_credited_invoice(context: Context, event: StripeEvent) -> bool:
    """The invoice that a credit note credits."""
    invoice_id = context.provider.find_invoice_of_credit_note(event.object_id or "")
    return invoice_id is not None and _sync_locked(context, invoice_id, has_credit_notes=True)


def sync_paid_invoice(context: Context, event: StripeEvent) -> bool:
    """The invoice of an invoice payment, which names it."""
    invoice_id = _subject(event).get("invoice")
    return isinstance(invoice_id, str) and _sync_locked(context, invoice_id)


def sync_refunded_invoice(context: Context, event: StripeEvent) -> bool:
    """The invoice of a charge, refund or dispute, by its payment intent. One of no invoice changes nothing here."""
    intent_id = _subject(event).get("payment_intent")
    invoice_id = context.provider.find_invoice_of_payment(intent_id) if isinstance(intent_id, str) else None
    return invoice_id is not None and _sync_locked(context, invoice_id)


def sync_entitlements(context: Context, event: StripeEvent) -> bool:
    """What a customer is entitled to: asked for, as the event may be an old one."""
    customer_id = _subject(event).get("customer")
    if not isinstance(customer_id, str):
        return False
    tenant = customers.hold_mirror(context.session, customer_id)
    features = context.provider.fetch_entitlements(customer_id) if tenant else None
    if tenant is None or features is None:
        return False
    billing_state.note_features(context.session, tenant.id, features, context.now)
    return True


def _subject(event: StripeEvent) -> Mapping[str, Any]:
    """The object of a snapshot event."""
    found = (event.payload.get("data") or {}).get("object")
    return found if isinstance(found, Mapping) else {}


def _sync_locked(context: Context, invoice_id: str, *, has_credit_notes: bool = False) -> bool:
    lock_object(context.session, "stripe", invoice_id)
    return _sync_whole(context, invoice_id, has_credit_notes=has_credit_notes)


def _sync_whole(context: Context, invoice_id: str, *, has_credit_notes: bool) -> bool:
    session = context.session
    facts = invoices.fetch_whole_invoice(session, context.provider, invoice_id, has_credit_notes=has_credit_notes)
    if facts is not None:
        return invoices.sync_invoice(session, facts, context.now)
    known = session.scalars(select(Invoice).where(Invoice.id == invoice_id)).first()
    if known is not None:
        invoices.remove_invoice(session, known.tenant_id, invoice_id)
    return known is not None
