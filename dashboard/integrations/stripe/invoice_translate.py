"""Stripe's invoices and their lines (API 2026-10-28.endive) as the domain's plain facts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import stripe

from dashboard.billing.ports.invoices import (
    AttemptFacts,
    CreditNoteFacts,
    DiscountFacts,
    InvoiceFacts,
    InvoiceLineFacts,
    PaymentFacts,
    RefundFacts,
)
from dashboard.integrations.stripe.invoice_parts import (
    FindRate,
    address_facts,
    credit_facts,
    discount_facts,
    tax_facts,
    tax_id_facts,
)
from dashboard.integrations.stripe.translate import id_of, maybe_moment, moment

_TIER = re.compile(r"\(Tier (\d+)\b")


@dataclass(frozen=True, slots=True)
class Settlement:
    """What was paid, credited and given back for an invoice."""

    payments: Sequence[PaymentFacts] = ()
    attempts: Sequence[AttemptFacts] = ()
    credit_notes: Sequence[CreditNoteFacts] = ()
    refunds: Sequence[RefundFacts] = ()


def invoice_facts(
    invoice: stripe.Invoice, lines: Iterable[stripe.InvoiceLineItem], settled: Settlement, find_rate: FindRate
) -> InvoiceFacts:
    """An invoice with all its lines (the object itself carries the first ten at most) and what was done about it."""
    details = invoice.parent.subscription_details if invoice.parent else None
    moments, problem = invoice.status_transitions, invoice.last_finalization_error
    discounts = discount_facts(invoice.total_discount_amounts)
    return InvoiceFacts(
        id=invoice.id or "",
        customer_id=id_of(invoice.customer) or "",
        number=invoice.number,
        status=invoice.status or "draft",
        billing_reason=invoice.billing_reason,
        subscription_id=id_of(details.subscription) if details else None,
        currency=invoice.currency,
        subtotal=invoice.subtotal,
        subtotal_excluding_tax=invoice.subtotal_excluding_tax,
        tax=sum(tax.amount for tax in invoice.total_taxes or []),
        total=invoice.total,
        total_excluding_tax=invoice.total_excluding_tax,
        amount_due=invoice.amount_due,
        amount_paid=invoice.amount_paid,
        amount_remaining=invoice.amount_remaining,
        amount_overpaid=invoice.amount_overpaid,
        amount_shipping=invoice.amount_shipping,
        amount_paid_off_stripe=invoice.amount_paid_off_stripe,
        pre_payment_credit_notes_amount=invoice.pre_payment_credit_notes_amount,
        post_payment_credit_notes_amount=invoice.post_payment_credit_notes_amount,
        starting_balance=invoice.starting_balance,
        ending_balance=invoice.ending_balance,
        taxes=tax_facts(invoice.total_taxes, find_rate),
        discounts=discounts,
        pretax_credits=credit_facts(invoice.total_pretax_credit_amounts),
        automatic_tax_status=invoice.automatic_tax.status,
        collection_method=invoice.collection_method,
        auto_advance=bool(invoice.auto_advance),
        account_name=invoice.account_name,
        account_country=invoice.account_country,
        account_tax_ids=tax_id_facts(invoice.account_tax_ids),
        customer_name=invoice.customer_name,
        customer_email=invoice.customer_email,
        customer_phone=invoice.customer_phone,
        customer_address=address_facts(invoice.customer_address),
        customer_tax_exempt=invoice.customer_tax_exempt,
        customer_tax_ids=tax_id_facts(invoice.customer_tax_ids),
        description=invoice.description,
        footer=invoice.footer,
        receipt_number=invoice.receipt_number,
        from_invoice_id=id_of(invoice.from_invoice.invoice) if invoice.from_invoice else None,
        latest_revision_id=id_of(invoice.latest_revision),
        finalization_error=(problem.message or problem.code) if problem else None,
        hosted_invoice_url=invoice.hosted_invoice_url,
        invoice_pdf=invoice.invoice_pdf,
        period_start=moment(invoice.period_start),
        period_end=moment(invoice.period_end),
        created_at=moment(invoice.created),
        due_at=maybe_moment(invoice.due_date),
        automatically_finalizes_at=maybe_moment(invoice.automatically_finalizes_at),
        finalized_at=maybe_moment(moments.finalized_at),
        effective_at=maybe_moment(invoice.effective_at),
        paid_at=maybe_moment(moments.paid_at),
        voided_at=maybe_moment(moments.voided_at),
        marked_uncollectible_at=maybe_moment(moments.marked_uncollectible_at),
        payment_attempts=invoice.attempt_count,
        next_payment_attempt=maybe_moment(invoice.next_payment_attempt),
        lines=tuple(_line_facts(line, discounts, find_rate) for line in lines),
        payments=tuple(settled.payments),
        attempts=tuple(settled.attempts),
        credit_notes=tuple(settled.credit_notes),
        refunds=tuple(settled.refunds),
    )


def _line_facts(
    line: stripe.InvoiceLineItem, discounts: Sequence[DiscountFacts], find_rate: FindRate
) -> InvoiceLineFacts:
    pricing = line.pricing
    price = pricing.price_details if pricing else None
    of_subscription = line.parent.subscription_item_details if line.parent else None
    of_item = line.parent.invoice_item_details if line.parent else None
    return InvoiceLineFacts(
        id=line.id,
        description=line.description,
        price_id=id_of(price.price) if price else None,
        product_id=price.product if price else None,
        subscription_item_id=of_subscription.subscription_item if of_subscription else None,
        invoice_item_id=_invoice_item_of(of_subscription, of_item),
        tier=_tier_of(line.description),
        quantity=line.quantity,
        quantity_decimal=line.quantity_decimal,
        unit_amount_decimal=pricing.unit_amount_decimal if pricing else None,
        amount=line.amount,
        subtotal=line.subtotal,
        taxes=tax_facts(line.taxes, find_rate),
        discounts=discount_facts(line.discount_amounts, discounts),
        pretax_credits=credit_facts(line.pretax_credit_amounts),
        period_start=moment(line.period.start),
        period_end=moment(line.period.end),
        proration=bool((of_subscription and of_subscription.proration) or (of_item and of_item.proration)),
    )


def _invoice_item_of(
    of_subscription: stripe.InvoiceLineItem.Parent.SubscriptionItemDetails | None,
    of_item: stripe.InvoiceLineItem.Parent.InvoiceItemDetails | None,
) -> str | None:
    if of_item:
        return of_item.invoice_item
    return of_subscription.invoice_item if of_subscription else None


def _tier_of(description: str | None) -> int | None:
    """The number of the tier a line bills.

    In doubt: Stripe has no field for it. Its words, "1000 credit × Usage (Tier 1 at $0.00 / month)", were seen on
    real invoices; where they are others (another language), the line has no number and is shown by its rate.
    """
    found = _TIER.search(description or "")
    return int(found.group(1)) if found else None
