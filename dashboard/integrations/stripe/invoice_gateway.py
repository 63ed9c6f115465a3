"""What the domain asks of Stripe about invoices: one whole, by a fetch that expands and a page of whatever is long."""

from __future__ import annotations

from collections.abc import Iterable

import stripe
from stripe import StripeClient

from dashboard.billing.ports.invoices import AttemptFacts, InvoiceFacts, PaymentFacts, RefundFacts
from dashboard.integrations.stripe.client import if_there
from dashboard.integrations.stripe.invoice_translate import Settlement, invoice_facts
from dashboard.integrations.stripe.settlement_translate import (
    attempt_facts,
    credit_note_facts,
    notes_by_refund,
    payment_facts,
    refund_facts,
)

# Stripe expands four levels at most.
EXPAND = [
    "payments.data.payment.payment_intent",
    "total_discount_amounts.discount.source.coupon",
    "total_discount_amounts.discount.promotion_code",
    "account_tax_ids",
]
PAGE = 100


class InvoiceGateway:
    """The part of the billing provider that knows invoices, by the official SDK."""

    def __init__(self, client: StripeClient) -> None:
        self._v1 = client.v1
        self._rates: dict[str, stripe.TaxRate] = {}

    def fetch_invoice(self, invoice_id: str, *, has_credit_notes: bool = False) -> InvoiceFacts | None:
        """The invoice as it is now, whole, or None (a deleted draft)."""
        return if_there(lambda: self._whole_invoice(invoice_id, has_credit_notes=has_credit_notes))

    def _whole_invoice(self, invoice_id: str, *, has_credit_notes: bool) -> InvoiceFacts:
        invoice = self._v1.invoices.retrieve(invoice_id, {"expand": EXPAND})
        lines: Iterable[stripe.InvoiceLineItem] = invoice.lines.data
        if invoice.lines.has_more:
            lines = self._v1.invoices.line_items.list(invoice_id, {"limit": PAGE}).auto_paging_iter()
        return invoice_facts(invoice, lines, self._settlement(invoice, has_credit_notes=has_credit_notes), self._rate)

    def _settlement(self, invoice: stripe.Invoice, *, has_credit_notes: bool) -> Settlement:
        """What was paid, credited and given back. Asks only for what the invoice says there is."""
        payments = [payment_facts(each) for each in self._payments(invoice)]
        credited = invoice.pre_payment_credit_notes_amount or invoice.post_payment_credit_notes_amount
        notes = self._credit_notes(invoice.id or "") if credited or has_credit_notes else []
        by_refund = notes_by_refund(notes)
        attempts: list[AttemptFacts] = []
        refunds: list[RefundFacts] = []
        for payment in payments:
            for charge in self._charges(payment, attempted=invoice.attempted):
                attempts.append(attempt_facts(charge, payment.id))
                refunds += [refund_facts(each, by_refund) for each in self._refunds(charge)]
        return Settlement(
            payments,
            attempts,
            [credit_note_facts(note, self._lines_of_note(note), self._rate) for note in notes],
            refunds,
        )

    def _payments(self, invoice: stripe.Invoice) -> Iterable[stripe.InvoicePayment]:
        found = invoice.payments
        if found is None or not found.has_more:
            return found.data if found else []
        wanted = {"invoice": invoice.id or "", "limit": PAGE, "expand": ["data.payment.payment_intent"]}
        return self._v1.invoice_payments.list(wanted).auto_paging_iter()  # type: ignore[arg-type]

    def _charges(self, payment: PaymentFacts, *, attempted: bool) -> Iterable[stripe.Charge]:
        """Every try at a payment. One that waits for its first has none."""
        if payment.payment_intent_id is None or (payment.status == "open" and not attempted):
            return []
        wanted = {"payment_intent": payment.payment_intent_id, "limit": PAGE, "expand": ["data.refunds"]}
        return self._v1.charges.list(wanted).auto_paging_iter()  # type: ignore[arg-type]

    def _refunds(self, charge: stripe.Charge) -> Iterable[stripe.Refund]:
        found = charge.refunds
        if found is None or not found.has_more:
            return found.data if found else []
        return self._v1.refunds.list({"charge": charge.id, "limit": PAGE}).auto_paging_iter()

    def _credit_notes(self, invoice_id: str) -> list[stripe.CreditNote]:
        listed = self._v1.credit_notes.list({"invoice": invoice_id, "limit": PAGE})
        return list(listed.auto_paging_iter())

    def _lines_of_note(self, note: stripe.CreditNote) -> Iterable[stripe.CreditNoteLineItem]:
        if not note.lines.has_more:
            return note.lines.data
        return self._v1.credit_notes.line_items.list(note.id, {"limit": PAGE}).auto_paging_iter()

    def _rate(self, rate_id: str) -> stripe.TaxRate:
        """A tax rate, asked for once: its percentage never changes."""
        if rate_id not in self._rates:
            self._rates[rate_id] = self._v1.tax_rates.retrieve(rate_id)
        return self._rates[rate_id]
