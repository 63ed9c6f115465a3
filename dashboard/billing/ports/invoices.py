"""What the domain needs to know of an invoice, as plain facts: lines, payments, credit notes and refunds included.

All amounts are minor units of `currency`, all times aware UTC. The names are Stripe's where ours could be mistaken.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TaxFacts:
    """One tax. An "inclusive" one is contained in the amount it is on, an "exclusive" one is added to it.

    `percentage` is per cent as a text ("19", "8.1"); `name` and `percentage` are None where no rate applies.
    """

    amount: int
    behavior: str
    taxable_amount: int | None
    reason: str
    rate_id: str | None = None
    name: str | None = None
    percentage: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class DiscountFacts:
    """What one discount took off. `percent_off` is per cent as a text, None for a coupon of an amount."""

    amount: int
    discount_id: str
    coupon_id: str | None = None
    name: str | None = None
    percent_off: str | None = None
    promotion_code: str | None = None


@dataclass(frozen=True, slots=True)
class CreditFacts:
    """An amount taken off before tax: by a discount, or by credit that was granted. `source_id` says which."""

    amount: int
    type: str
    source_id: str | None


@dataclass(frozen=True, slots=True)
class TaxIdFacts:
    """A tax id as it stands on the invoice."""

    type: str
    value: str | None


@dataclass(frozen=True, slots=True)
class AddressFacts:
    """An address as it stands on the invoice."""

    line1: str | None
    line2: str | None
    postal_code: str | None
    city: str | None
    state: str | None
    country: str | None


@dataclass(frozen=True, slots=True)
class InvoiceLineFacts:
    """One line of an invoice. `tier` is the number of the tier it bills, None for a line without tiers."""

    id: str
    description: str | None
    price_id: str | None
    quantity: int | None
    unit_amount_decimal: Decimal | None
    amount: int
    period_start: datetime
    period_end: datetime
    proration: bool
    product_id: str | None = None
    subscription_item_id: str | None = None
    invoice_item_id: str | None = None
    quantity_decimal: Decimal | None = None
    subtotal: int | None = None
    tier: int | None = None
    taxes: tuple[TaxFacts, ...] = ()
    discounts: tuple[DiscountFacts, ...] = ()
    pretax_credits: tuple[CreditFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """A payment of an invoice: one payment intent, tried until it is paid or canceled.

    `failure_message` is why the last try failed, None once one has succeeded.
    """

    id: str
    status: str
    type: str
    currency: str
    amount_requested: int
    amount_paid: int | None
    is_default: bool
    payment_intent_id: str | None
    intent_status: str | None
    failure_code: str | None
    failure_message: str | None
    created_at: datetime
    paid_at: datetime | None
    canceled_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """One try at a payment that reached the customer's bank (a charge)."""

    id: str
    payment_id: str
    status: str
    currency: str
    amount: int
    amount_refunded: int
    disputed: bool
    method_type: str | None
    brand: str | None
    last4: str | None
    failure_code: str | None
    failure_message: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CreditNoteLineFacts:
    """One line of a credit note. `invoice_line_id` is the line it credits, None for an amount of its own."""

    id: str
    type: str
    invoice_line_id: str | None
    description: str | None
    quantity: int | None
    unit_amount_decimal: Decimal | None
    amount: int
    discount_amount: int
    taxes: tuple[TaxFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class CreditNoteFacts:
    """A credit note with all its lines.

    `pre_payment_amount` lowered what was due, `post_payment_amount` was given back after payment: refunded, credited
    to the customer's balance, or settled elsewhere (`out_of_band_amount`).
    """

    id: str
    number: str
    status: str
    type: str
    reason: str | None
    memo: str | None
    currency: str
    amount: int
    subtotal: int
    subtotal_excluding_tax: int | None
    total: int
    total_excluding_tax: int | None
    discount_amount: int
    pre_payment_amount: int
    post_payment_amount: int
    out_of_band_amount: int | None
    balance_transaction_id: str | None
    pdf: str
    created_at: datetime
    effective_at: datetime | None
    voided_at: datetime | None
    taxes: tuple[TaxFacts, ...]
    lines: tuple[CreditNoteLineFacts, ...]


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """Money given back of one charge. `credit_note_id` is the credit note that did it, if one did."""

    id: str
    charge_id: str | None
    payment_intent_id: str | None
    credit_note_id: str | None
    currency: str
    amount: int
    status: str | None
    reason: str | None
    failure_reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class InvoiceFacts:
    """An invoice as the provider has it, whole.

    `period_start` and `period_end` only bound its invoice items: the lines say what was billed.
    """

    id: str
    customer_id: str
    number: str | None
    status: str
    billing_reason: str | None
    subscription_id: str | None
    currency: str
    subtotal: int
    tax: int
    total: int
    amount_due: int
    amount_paid: int
    amount_remaining: int
    customer_name: str | None
    hosted_invoice_url: str | None
    invoice_pdf: str | None
    period_start: datetime
    period_end: datetime
    created_at: datetime
    due_at: datetime | None
    finalized_at: datetime | None
    paid_at: datetime | None
    payment_attempts: int
    lines: tuple[InvoiceLineFacts, ...]
    subtotal_excluding_tax: int | None = None
    total_excluding_tax: int | None = None
    amount_overpaid: int = 0
    amount_shipping: int = 0
    amount_paid_off_stripe: int | None = None
    pre_payment_credit_notes_amount: int = 0
    post_payment_credit_notes_amount: int = 0
    starting_balance: int = 0
    ending_balance: int | None = None
    collection_method: str = "charge_automatically"
    auto_advance: bool = False
    next_payment_attempt: datetime | None = None
    automatically_finalizes_at: datetime | None = None
    effective_at: datetime | None = None
    voided_at: datetime | None = None
    marked_uncollectible_at: datetime | None = None
    description: str | None = None
    footer: str | None = None
    receipt_number: str | None = None
    from_invoice_id: str | None = None
    latest_revision_id: str | None = None
    automatic_tax_status: str | None = None
    finalization_error: str | None = None
    account_name: str | None = None
    account_country: str | None = None
    account_tax_ids: tuple[TaxIdFacts, ...] = ()
    customer_email: str | None = None
    customer_phone: str | None = None
    customer_address: AddressFacts | None = None
    customer_tax_exempt: str | None = None
    customer_tax_ids: tuple[TaxIdFacts, ...] = ()
    taxes: tuple[TaxFacts, ...] = ()
    discounts: tuple[DiscountFacts, ...] = ()
    pretax_credits: tuple[CreditFacts, ...] = ()
    payments: tuple[PaymentFacts, ...] = ()
    attempts: tuple[AttemptFacts, ...] = ()
    credit_notes: tuple[CreditNoteFacts, ...] = ()
    refunds: tuple[RefundFacts, ...] = ()


class InvoiceProvider(Protocol):
    """Invoices, whole."""

    def fetch_invoice(self, invoice_id: str, *, has_credit_notes: bool = False) -> InvoiceFacts | None:
        """The invoice as it is now, or None (a deleted draft).

        Its credit notes are asked for when its amounts tell of any. A voided one leaves no trace in them, so whoever
        knows of one says so by `has_credit_notes`.
        """
