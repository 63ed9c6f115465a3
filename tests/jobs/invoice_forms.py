"""An invoice of our mirror and the same at Stripe, in one form, so that they can be compared field by field."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dashboard.models import CreditNote, Invoice, InvoiceLine


def seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.astimezone(UTC).timestamp())


def ours(invoice: Invoice) -> dict[str, Any]:
    """An invoice of ours in Stripe's words."""
    same = (
        "id number status billing_reason currency subtotal subtotal_excluding_tax total total_excluding_tax amount_due "
        "amount_paid amount_remaining amount_overpaid amount_shipping amount_paid_off_stripe "
        "pre_payment_credit_notes_amount post_payment_credit_notes_amount starting_balance ending_balance "
        "collection_method auto_advance account_name account_country customer_name customer_email customer_phone "
        "customer_tax_exempt description footer receipt_number hosted_invoice_url invoice_pdf"
    )
    times = {
        "created": invoice.created_at,
        "period_start": invoice.period_start,
        "period_end": invoice.period_end,
        "due_date": invoice.due_at,
        "automatically_finalizes_at": invoice.automatically_finalizes_at,
        "effective_at": invoice.effective_at,
        "next_payment_attempt": invoice.next_payment_attempt,
        "finalized_at": invoice.finalized_at,
        "paid_at": invoice.paid_at,
        "voided_at": invoice.voided_at,
        "marked_uncollectible_at": invoice.marked_uncollectible_at,
    }
    return {
        **{name: getattr(invoice, name) for name in same.split()},
        **{name: seconds(moment) for name, moment in times.items()},
        "customer": invoice.customer_id,
        "subscription": invoice.subscription_id,
        "attempt_count": invoice.payment_attempts,
        "customer_address": invoice.customer_address,
        "customer_tax_ids": invoice.customer_tax_ids,
        "taxes": [_our_tax(each) for each in invoice.taxes],
        "discounts": [
            (each["amount"], each["discount_id"], each["name"], each["percent_off"]) for each in invoice.discounts
        ],
        "pretax_credits": [(each["amount"], each["type"], each["source_id"]) for each in invoice.pretax_credits],
        "lines": [_our_line(line) for line in invoice.lines],
        "payments": [
            (each.id, each.status, each.amount_requested, each.amount_paid, each.payment_intent_id, each.intent_status,
             each.failure_message, seconds(each.paid_at), seconds(each.canceled_at))
            for each in invoice.payments
        ],
        "attempts": [
            (each.id, each.status, each.amount, each.amount_refunded, each.brand, each.last4, each.failure_message)
            for each in sorted(invoice.attempts, key=lambda each: each.id)
        ],
        "credit_notes": [_our_note(note) for note in sorted(invoice.credit_notes, key=lambda note: note.number)],
        "refunds": [
            (each.id, each.charge_id, each.amount, each.status, each.reason, seconds(each.created_at))
            for each in sorted(invoice.refunds, key=lambda each: each.id)
        ],
    }  # fmt: skip


def theirs(v1: Any, invoice_id: str) -> dict[str, Any]:
    """The same read from Stripe's answers, not through our translation."""
    expand = ["payments", "total_discount_amounts.discount.source.coupon"]
    invoice = v1.invoices.retrieve(invoice_id, {"expand": expand}).to_dict()
    lines = [line.to_dict() for line in v1.invoices.line_items.list(invoice_id, {"limit": 100}).auto_paging_iter()]
    payments = [each.to_dict() for each in v1.invoice_payments.list({"invoice": invoice_id}).data]
    intents = [v1.payment_intents.retrieve(each["payment"]["payment_intent"]).to_dict() for each in payments]
    charges = [each for intent in intents for each in v1.charges.list({"payment_intent": intent["id"]}).data]
    refunds = [each for charge in charges for each in v1.refunds.list({"charge": charge.id}).data]
    notes = [each.to_dict() for each in v1.credit_notes.list({"invoice": invoice_id}).data]
    parent = (invoice["parent"] or {}).get("subscription_details") or {}
    moments = invoice["status_transitions"]
    names = (
        "id number status billing_reason currency subtotal subtotal_excluding_tax total total_excluding_tax amount_due "
        "amount_paid amount_remaining amount_overpaid amount_shipping amount_paid_off_stripe "
        "pre_payment_credit_notes_amount post_payment_credit_notes_amount starting_balance ending_balance "
        "collection_method auto_advance account_name account_country customer_name customer_email customer_phone "
        "customer_tax_exempt description footer receipt_number hosted_invoice_url invoice_pdf created period_start "
        "period_end due_date automatically_finalizes_at effective_at next_payment_attempt attempt_count customer"
    )
    return {
        **{name: invoice[name] for name in names.split()},
        **{name: moments[name] for name in ("finalized_at", "paid_at", "voided_at", "marked_uncollectible_at")},
        "subscription": parent.get("subscription"),
        "customer_address": invoice["customer_address"],
        "customer_tax_ids": invoice["customer_tax_ids"],
        "taxes": [_their_tax(v1, each) for each in invoice["total_taxes"] or []],
        "discounts": [_their_discount(each) for each in invoice["total_discount_amounts"] or []],
        "pretax_credits": [_their_credit(each) for each in invoice["total_pretax_credit_amounts"] or []],
        "lines": [_their_line(v1, line) for line in lines],
        "payments": [_their_payment(*pair) for pair in zip(payments, intents, strict=True)],
        "attempts": [
            (each.id, each.status, each.amount, each.amount_refunded, each.payment_method_details.card.brand,
             each.payment_method_details.card.last4, each.failure_message)
            for each in sorted(charges, key=lambda each: each.id)
        ],
        "credit_notes": [_their_note(v1, note) for note in sorted(notes, key=lambda note: str(note["number"]))],
        "refunds": [
            (each.id, each.charge, each.amount, each.status, each.reason, each.created)
            for each in sorted(refunds, key=lambda each: each.id)
        ],
    }  # fmt: skip


def _our_tax(tax: dict[str, Any]) -> tuple[Any, ...]:
    names = ("amount", "behavior", "taxable_amount", "reason", "rate_id", "name", "percentage", "country")
    return tuple(tax[name] for name in names)


def _their_tax(v1: Any, tax: dict[str, Any]) -> tuple[Any, ...]:
    rate = v1.tax_rates.retrieve(tax["tax_rate_details"]["tax_rate"]) if tax["tax_rate_details"] else None
    named = (rate.id, rate.display_name, f"{rate.percentage:g}", rate.country) if rate else (None,) * 4
    return (tax["amount"], tax["tax_behavior"], tax["taxable_amount"], tax["taxability_reason"], *named)


def _their_discount(taken: dict[str, Any]) -> tuple[Any, ...]:
    coupon = taken["discount"]["source"]["coupon"]
    return (taken["amount"], taken["discount"]["id"], coupon["name"], f"{coupon['percent_off']:g}")


def _their_credit(credit: dict[str, Any]) -> tuple[Any, ...]:
    return (credit["amount"], credit["type"], credit[credit["type"]])


def _our_line(line: InvoiceLine) -> tuple[Any, ...]:
    return (
        line.line_id, line.description, line.price_id, line.product_id, line.subscription_item_id, line.invoice_item_id,
        line.quantity, line.quantity_decimal, line.unit_amount_decimal, line.amount, line.subtotal, line.proration,
        seconds(line.period_start), seconds(line.period_end),
        [_our_tax(tax) for tax in line.taxes],
        [(each["amount"], each["discount_id"]) for each in line.discounts],
        [(each["amount"], each["type"], each["source_id"]) for each in line.pretax_credits],
    )  # fmt: skip


def _their_line(v1: Any, line: dict[str, Any]) -> tuple[Any, ...]:
    price = (line["pricing"] or {}).get("price_details") or {}
    details = line["parent"]["subscription_item_details"] or line["parent"]["invoice_item_details"]
    rate = (line["pricing"] or {}).get("unit_amount_decimal")
    return (
        line["id"], line["description"], price.get("price"), price.get("product"), details.get("subscription_item"),
        details.get("invoice_item"), line["quantity"], Decimal(line["quantity_decimal"]),
        None if rate is None else Decimal(rate), line["amount"], line["subtotal"], details["proration"],
        line["period"]["start"], line["period"]["end"],
        [_their_tax(v1, tax) for tax in line["taxes"]],
        [(each["amount"], each["discount"]) for each in line["discount_amounts"]],
        [_their_credit(each) for each in line["pretax_credit_amounts"]],
    )  # fmt: skip


def _their_payment(payment: dict[str, Any], intent: dict[str, Any]) -> tuple[Any, ...]:
    moments, error = payment["status_transitions"], intent["last_payment_error"]
    return (
        payment["id"], payment["status"], payment["amount_requested"], payment["amount_paid"], intent["id"],
        intent["status"], error["message"] if error else None, moments["paid_at"], moments["canceled_at"],
    )  # fmt: skip


NOTE = (
    "id number status type reason memo currency amount subtotal subtotal_excluding_tax total total_excluding_tax "
    "discount_amount pre_payment_amount post_payment_amount out_of_band_amount pdf"
)


def _our_note(note: CreditNote) -> dict[str, Any]:
    return {
        **{name: getattr(note, name) for name in NOTE.split()},
        "created": seconds(note.created_at),
        "voided_at": seconds(note.voided_at),
        "taxes": [_our_tax(tax) for tax in note.taxes],
        "lines": [
            (line.line_id, line.invoice_line_id, line.description, line.quantity, line.amount, line.discount_amount)
            for line in note.lines
        ],
    }


def _their_note(v1: Any, note: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: note[name] for name in NOTE.split()},
        "created": note["created"],
        "voided_at": note["voided_at"],
        "taxes": [_their_tax(v1, tax) for tax in note["total_taxes"]],
        "lines": [
            (line["id"], line["invoice_line_item"], line["description"], line["quantity"], line["amount"],
             line["discount_amount"])
            for line in note["lines"]["data"]
        ],
    }  # fmt: skip
