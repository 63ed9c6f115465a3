"""Taxes, discounts, credits and addresses of Stripe's invoices and credit notes as the domain's plain facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import stripe

from dashboard.billing.ports.invoices import AddressFacts, CreditFacts, DiscountFacts, TaxFacts, TaxIdFacts
from dashboard.integrations.stripe.translate import id_of

if TYPE_CHECKING:
    from stripe import CreditNote, CreditNoteLineItem, Invoice, InvoiceLineItem

    Tax = Invoice.TotalTax | InvoiceLineItem.Tax | CreditNote.TotalTax | CreditNoteLineItem.Tax
    Credit = Invoice.TotalPretaxCreditAmount | InvoiceLineItem.PretaxCreditAmount
    Discounted = Invoice.TotalDiscountAmount | InvoiceLineItem.DiscountAmount

# The rate of this id. Stripe never changes a rate's percentage: it makes another.
FindRate = Callable[[str], stripe.TaxRate]


def tax_facts(taxes: Iterable[Tax] | None, find_rate: FindRate) -> tuple[TaxFacts, ...]:
    """Taxes, each with the name and percentage of its rate."""
    return tuple(_tax(tax, find_rate) for tax in taxes or ())


def _tax(tax: Tax, find_rate: FindRate) -> TaxFacts:
    rate = find_rate(tax.tax_rate_details.tax_rate) if tax.tax_rate_details else None
    return TaxFacts(
        amount=tax.amount,
        behavior=tax.tax_behavior,
        taxable_amount=tax.taxable_amount,
        reason=tax.taxability_reason,
        rate_id=rate.id if rate else None,
        name=rate.display_name if rate else None,
        percentage=_percent(rate.percentage) if rate else None,
        country=rate.country if rate else None,
    )


def discount_facts(
    amounts: Iterable[Discounted] | None, known: Sequence[DiscountFacts] = ()
) -> tuple[DiscountFacts, ...]:
    """What each discount took off. A line has only the ids: `known` are the invoice's own, with their coupons."""
    named = {each.discount_id: each for each in known}
    return tuple(_discount(each, named) for each in amounts or ())


def _discount(taken: Discounted, named: dict[str, DiscountFacts]) -> DiscountFacts:
    discount, discount_id = taken.discount, id_of(taken.discount) or ""
    if isinstance(discount, str):
        known = named.get(discount_id)
        if known is None:
            return DiscountFacts(taken.amount, discount_id)
        return DiscountFacts(
            taken.amount, discount_id, known.coupon_id, known.name, known.percent_off, known.promotion_code
        )
    coupon, code = discount.source.coupon, discount.promotion_code
    whole = None if coupon is None or isinstance(coupon, str) else coupon
    return DiscountFacts(
        amount=taken.amount,
        discount_id=discount_id,
        coupon_id=id_of(coupon),
        name=whole.name if whole else None,
        percent_off=_percent(whole.percent_off) if whole and whole.percent_off is not None else None,
        promotion_code=code if code is None or isinstance(code, str) else code.code,
    )


def credit_facts(amounts: Iterable[Credit] | None) -> tuple[CreditFacts, ...]:
    """What was taken off before tax, by discounts and by granted credit."""
    return tuple(
        CreditFacts(each.amount, each.type, id_of(each.discount) or id_of(each.credit_balance_transaction))
        for each in amounts or ()
    )


def tax_id_facts(ids: Iterable[stripe.TaxId | stripe.Invoice.CustomerTaxId | str] | None) -> tuple[TaxIdFacts, ...]:
    """Tax ids as they stand on the invoice."""
    return tuple(TaxIdFacts(each.type, each.value) for each in ids or () if not isinstance(each, str))


def address_facts(address: stripe.Invoice.CustomerAddress | None) -> AddressFacts | None:
    """An address as it stands on the invoice."""
    if address is None:
        return None
    return AddressFacts(address.line1, address.line2, address.postal_code, address.city, address.state, address.country)


def _percent(value: float) -> str:
    """Per cent without needless digits: 19.0 -> "19"."""
    return format(Decimal(str(value)).normalize(), "f")
