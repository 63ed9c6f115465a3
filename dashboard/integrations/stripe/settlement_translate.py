"""Stripe's payments, charges, credit notes and refunds (API 2026-10-28.endive) as the domain's plain facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import stripe

from dashboard.billing.ports.invoices import (
    AttemptFacts,
    CreditNoteFacts,
    CreditNoteLineFacts,
    PaymentFacts,
    RefundFacts,
)
from dashboard.integrations.stripe.invoice_parts import FindRate, tax_facts
from dashboard.integrations.stripe.translate import id_of, maybe_moment, moment


def payment_facts(payment: stripe.InvoicePayment) -> PaymentFacts:
    """A payment of an invoice. Its intent, where it has one, is expanded."""
    intent = payment.payment.payment_intent
    whole = None if intent is None or isinstance(intent, str) else intent
    error = whole.last_payment_error if whole else None
    return PaymentFacts(
        id=payment.id,
        status=payment.status,
        type=payment.payment.type,
        currency=payment.currency,
        amount_requested=payment.amount_requested,
        amount_paid=payment.amount_paid,
        is_default=payment.is_default,
        payment_intent_id=id_of(intent),
        intent_status=whole.status if whole else None,
        failure_code=(error.decline_code or error.code) if error else None,
        failure_message=error.message if error else None,
        created_at=moment(payment.created),
        paid_at=maybe_moment(payment.status_transitions.paid_at),
        canceled_at=maybe_moment(payment.status_transitions.canceled_at),
    )


def attempt_facts(charge: stripe.Charge, payment_id: str) -> AttemptFacts:
    """One try at a payment."""
    details = charge.payment_method_details
    card = details.card if details else None
    return AttemptFacts(
        id=charge.id,
        payment_id=payment_id,
        status=charge.status,
        currency=charge.currency,
        amount=charge.amount,
        amount_refunded=charge.amount_refunded,
        disputed=charge.disputed,
        method_type=details.type if details else None,
        brand=card.brand if card else None,
        last4=card.last4 if card else None,
        failure_code=charge.failure_code,
        failure_message=charge.failure_message,
        created_at=moment(charge.created),
    )


def credit_note_facts(
    note: stripe.CreditNote, lines: Iterable[stripe.CreditNoteLineItem], find_rate: FindRate
) -> CreditNoteFacts:
    """A credit note with all its lines."""
    return CreditNoteFacts(
        id=note.id,
        number=note.number,
        status=note.status,
        type=note.type,
        reason=note.reason,
        memo=note.memo,
        currency=note.currency,
        amount=note.amount,
        subtotal=note.subtotal,
        subtotal_excluding_tax=note.subtotal_excluding_tax,
        total=note.total,
        total_excluding_tax=note.total_excluding_tax,
        discount_amount=note.discount_amount,
        pre_payment_amount=note.pre_payment_amount,
        post_payment_amount=note.post_payment_amount,
        out_of_band_amount=note.out_of_band_amount,
        balance_transaction_id=id_of(note.customer_balance_transaction),
        pdf=note.pdf,
        created_at=moment(note.created),
        effective_at=maybe_moment(note.effective_at),
        voided_at=maybe_moment(note.voided_at),
        taxes=tax_facts(note.total_taxes, find_rate),
        lines=tuple(_line_facts(line, find_rate) for line in lines),
    )


def _line_facts(line: stripe.CreditNoteLineItem, find_rate: FindRate) -> CreditNoteLineFacts:
    return CreditNoteLineFacts(
        id=line.id,
        type=line.type,
        invoice_line_id=line.invoice_line_item,
        description=line.description,
        quantity=line.quantity,
        unit_amount_decimal=line.unit_amount_decimal,
        amount=line.amount,
        discount_amount=line.discount_amount,
        taxes=tax_facts(line.taxes, find_rate),
    )


def notes_by_refund(notes: Iterable[stripe.CreditNote]) -> dict[str, str]:
    """Which credit note gave a refund, by the refund's id."""
    return {id_of(entry.refund) or "": note.id for note in notes for entry in note.refunds}


def refund_facts(refund: stripe.Refund, notes: Mapping[str, str]) -> RefundFacts:
    """Money given back."""
    return RefundFacts(
        id=refund.id,
        charge_id=id_of(refund.charge),
        payment_intent_id=id_of(refund.payment_intent),
        credit_note_id=notes.get(refund.id),
        currency=refund.currency,
        amount=refund.amount,
        status=refund.status,
        reason=refund.reason,
        failure_reason=getattr(refund, "failure_reason", None),
        created_at=moment(refund.created),
    )
