"""Invoices to test with, as Stripe would tell of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from dashboard.billing.ports.invoices import (
    AttemptFacts,
    CreditNoteFacts,
    CreditNoteLineFacts,
    DiscountFacts,
    InvoiceFacts,
    InvoiceLineFacts,
    PaymentFacts,
    RefundFacts,
    TaxFacts,
)
from tests.factories import NOON

MONTH = timedelta(days=30)
END = NOON + MONTH
FINAL = END + timedelta(hours=1)


def tier(number: int, quantity: int, rate: str, amount: int, **more: object) -> InvoiceLineFacts:
    """A line of sent texts in the month from noon."""
    line = InvoiceLineFacts(
        id=f"il_{number}",
        description=f"{quantity} × SMS (Tier {number} at ${rate} / month)",
        price_id="price_sms",
        quantity=quantity,
        unit_amount_decimal=Decimal(rate or 0) * 100,
        amount=amount,
        period_start=NOON,
        period_end=END,
        proration=False,
        tier=number,
    )
    return replace(line, **more)  # type: ignore[arg-type]


def invoice(**more: object) -> InvoiceFacts:
    """A paid invoice of 131 texts: 100 included, 31 at 2.4 cents."""
    facts = InvoiceFacts(
        id="in_1",
        customer_id="cus_1",
        number="ADA-0001",
        status="paid",
        billing_reason="subscription_cycle",
        subscription_id="sub_1",
        currency="usd",
        subtotal=74,
        tax=0,
        total=74,
        amount_due=74,
        amount_paid=74,
        amount_remaining=0,
        customer_name="Ada",
        hosted_invoice_url="https://stripe.example/i/in_1",
        invoice_pdf="https://stripe.example/i/in_1/pdf",
        period_start=NOON,
        period_end=END,
        created_at=END,
        due_at=None,
        finalized_at=FINAL,
        paid_at=FINAL,
        payment_attempts=1,
        lines=(tier(1, 100, "0.00", 0), tier(2, 31, "0.024", 74)),
    )
    return replace(facts, **more)  # type: ignore[arg-type]


CHARGE = AttemptFacts(
    id="ch_1",
    payment_id="inpay_1",
    status="failed",
    currency="usd",
    amount=2_261,
    amount_refunded=0,
    disputed=False,
    method_type="card",
    brand="visa",
    last4="0341",
    failure_code="card_declined",
    failure_message="Your card was declined.",
    created_at=FINAL,
)
PAYMENT = PaymentFacts(
    id="inpay_1",
    status="paid",
    type="payment_intent",
    currency="usd",
    amount_requested=2_261,
    amount_paid=2_261,
    is_default=True,
    payment_intent_id="pi_1",
    intent_status="succeeded",
    failure_code=None,
    failure_message=None,
    created_at=FINAL,
    paid_at=FINAL + timedelta(days=3),
    canceled_at=None,
)
VAT = TaxFacts(361, "exclusive", 1_900, "standard_rated", "txr_1", "VAT", "19", "DE")
NOTE = CreditNoteFacts(
    id="cn_1",
    number="ADA-0001-CN-01",
    status="issued",
    type="post_payment",
    reason="order_change",
    memo=None,
    currency="usd",
    amount=595,
    subtotal=500,
    subtotal_excluding_tax=500,
    total=595,
    total_excluding_tax=500,
    discount_amount=0,
    pre_payment_amount=0,
    post_payment_amount=595,
    out_of_band_amount=None,
    balance_transaction_id="cbtxn_1",
    pdf="https://stripe.example/cn_1/pdf",
    created_at=FINAL + timedelta(days=4),
    effective_at=None,
    voided_at=None,
    taxes=(replace(VAT, amount=95, taxable_amount=500),),
    lines=(CreditNoteLineFacts("cnli_1", "custom_line_item", None, "Half back", 1, None, 500, 0),),
)
REFUND = RefundFacts("re_1", "ch_2", "pi_1", "cn_1", "usd", 200, "succeeded", None, None, FINAL + timedelta(days=4))
RICH = invoice(
    subtotal=2_000,
    total=2_261,
    tax=361,
    amount_due=2_261,
    amount_paid=2_261,
    post_payment_credit_notes_amount=595,
    discounts=(DiscountFacts(100, "di_1", "SUMMER", "Summer", "5", "SUN"),),
    taxes=(VAT,),
    payments=(PAYMENT,),
    attempts=(CHARGE, replace(CHARGE, id="ch_2", status="succeeded", failure_message=None, last4="4242")),
    credit_notes=(NOTE,),
    refunds=(REFUND,),
)
