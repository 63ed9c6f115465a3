"""The mirror of invoices equals Stripe field by field, after a whole life, by webhooks in the wrong order."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import stripe
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from dashboard.billing.customers import ensure_customer
from dashboard.billing.invoice_reports import InvoiceDetail, find_invoice
from dashboard.billing.plans import prices_of_plan
from dashboard.database import db
from dashboard.jobs.billing_states import fetch_partial_invoices
from dashboard.jobs.metering import start_sync
from dashboard.models import CreditNote, Invoice, InvoiceLine, Refund
from dashboard.wiring import unit_of_work, wiring
from tests.factories import usage_body
from tests.platform import bearer, deliver_webhooks, new_tenant, set_up_stripe, work_off
from tests.sandbox.shop import FAILS_LATER, give_card
from tests.sandbox_server import SandboxServer

HOUR, DAY = 3_600, 86_400


class Life:
    """A tenant with a taxed and discounted subscription on Starter."""

    def __init__(self, client: FlaskClient, sandbox: SandboxServer) -> None:
        set_up_stripe()
        self.client, self.sandbox = client, sandbox
        self.v1: Any = wiring().stripe_client.v1
        self.tenant_id, self.key = new_tenant()
        with unit_of_work() as session:
            self.customer = ensure_customer(session, self.tenant_id, wiring().billing)
            base, metered = prices_of_plan(session, "starter", "monthly", wiring().pins) or ("", [])
        address: Any = {"line1": "Unter den Linden 1", "postal_code": "10117", "city": "Berlin", "country": "DE"}
        self.v1.customers.update(self.customer, {"address": address})
        self.v1.customers.tax_ids.create(self.customer, {"type": "us_ein", "value": "12-3456789"})
        give_card(wiring().stripe_client, self.customer)
        coupon = self.v1.coupons.create({"percent_off": 10, "duration": "forever", "name": "Early customer"})
        wanted: Any = {
            "customer": self.customer,
            "items": [{"price": base}, *({"price": price} for price in metered)],
            "automatic_tax": {"enabled": True},
            "discounts": [{"coupon": coupon.id}],
        }
        self.subscription = self.v1.subscriptions.create(wanted)
        self.mirror()  # Stripe lists the events of thirty days only

    def use(self, quantity: int) -> None:
        """Send so many texts, and tell Stripe."""
        url = "/api/billing/usage/events"
        assert self.client.post(url, json=usage_body(quantity=quantity), headers=bearer(self.key)).status_code == 201
        start_sync("tests")
        work_off()

    def renew(self) -> stripe.Invoice:
        """Go to the renewal and two hours on; the invoice it made."""
        current = self.v1.subscriptions.retrieve(self.subscription.id)
        end = min(item.current_period_end for item in current["items"].data)
        self.sandbox.advance(advance_to=end + 2 * HOUR)
        return self.newest()

    def newest(self) -> stripe.Invoice:
        """The newest invoice at Stripe."""
        found: stripe.Invoice = self.v1.invoices.list({"customer": self.customer}).data[0]
        return found

    def mirror(self) -> None:
        """Deliver every webhook so far."""
        deliver_webhooks(self.client)
        db.session.rollback()


@pytest.fixture
def life(client: FlaskClient, app: Flask, sandbox: SandboxServer) -> Life:
    return Life(client, sandbox)


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


def assert_equal_to_stripe(life: Life) -> None:
    """Every invoice Stripe has, field by field, and none besides."""
    known = [each.id or "" for each in life.v1.invoices.list({"customer": life.customer}).data]
    mirrored = {invoice.id: invoice for invoice in db.session.scalars(select(Invoice))}
    assert sorted(mirrored) == sorted(known)
    for invoice_id in known:
        assert ours(mirrored[invoice_id]) == theirs(life.v1, invoice_id)
        assert_adds_up(find_invoice(db.session(), life.tenant_id, invoice_id))


def assert_adds_up(detail: InvoiceDetail) -> None:
    """What the page shows from the lines down to what is due."""
    invoice = detail.invoice
    assert sum(group.amount for group in detail.groups) == invoice.subtotal
    discounts = sum(each["amount"] for each in invoice.discounts)
    assert invoice.subtotal - discounts - detail.granted_credit + detail.added_tax == invoice.total
    due = invoice.total + detail.from_balance - invoice.pre_payment_credit_notes_amount - invoice.amount_paid
    if invoice.status in {"open", "paid"}:
        assert due == invoice.amount_remaining
    after = sum(credit.refunded + credit.to_balance for credit in detail.credits if credit.note.post_payment_amount)
    assert after == invoice.post_payment_credit_notes_amount


def test_the_mirror_equals_stripe_field_by_field_after_a_whole_life(life: Life) -> None:
    """Every part: tax, discount, tiers, failed payments, recovery, credit notes before and after payment."""
    life.use(131)
    give_card(wiring().stripe_client, life.customer, FAILS_LATER)
    owed = life.renew()
    life.mirror()
    assert (owed.status, owed.attempt_count) == ("open", 1)
    assert_equal_to_stripe(life)
    life.sandbox.advance(advance_by=3 * DAY + 60)
    life.v1.credit_notes.create({"invoice": owed.id or "", "amount": 100, "memo": "Sorry"})
    mistaken = life.v1.credit_notes.create({"invoice": owed.id or "", "amount": 50})
    life.v1.credit_notes.void_credit_note(mistaken.id)
    give_card(wiring().stripe_client, life.customer)
    life.v1.invoices.pay(owed.id or "")
    base = life.v1.invoices.retrieve(owed.id or "").lines.data[0]
    credited = {"type": "invoice_line_item", "invoice_line_item": base.id, "amount": 1_000}
    # 1,000 less the discount of 10 %, and 19 % tax on the rest.
    split = {"refund_amount": 71, "credit_amount": 1_000}
    life.v1.credit_notes.create({"invoice": owed.id or "", "lines": [credited], "reason": "order_change", **split})
    life.mirror()
    invoice = db.session.get_one(Invoice, (life.tenant_id, owed.id))
    assert [each.status for each in invoice.payments] == ["paid"]
    assert sorted(each.status for each in invoice.attempts) == ["failed", "failed", "succeeded"]
    assert [each.status for each in invoice.credit_notes if each.status == "void"] == ["void"]
    assert [(each.amount, each.credit_note_id is not None) for each in invoice.refunds] == [(71, True)]
    assert_equal_to_stripe(life)
    life.renew()
    life.mirror()
    assert_equal_to_stripe(life)


def test_a_plain_refund_and_a_voided_invoice_are_mirrored(life: Life) -> None:
    first = db.session.scalars(select(Invoice)).one()
    life.v1.refunds.create({"charge": first.attempts[0].id, "amount": 500, "reason": "requested_by_customer"})
    life.mirror()
    give_card(wiring().stripe_client, life.customer, FAILS_LATER)
    owed = life.renew()
    life.v1.invoices.void_invoice(owed.id or "")
    life.mirror()
    assert_equal_to_stripe(life)
    refund = db.session.scalars(select(Refund)).one()
    assert (refund.invoice_id, refund.amount, refund.credit_note_id) == (first.id, 500, None)
    assert db.session.get_one(Invoice, (life.tenant_id, owed.id)).status == "void"


def test_an_invoice_of_three_hundred_lines_is_mirrored_whole(life: Life) -> None:
    for n in range(300):
        life.v1.invoice_items.create(
            {"customer": life.customer, "amount": 100 + n, "currency": "usd", "description": f"Item {n}"}
        )
    draft = life.v1.invoices.create({"customer": life.customer, "pending_invoice_items_behavior": "include"})
    life.mirror()
    invoice = db.session.get_one(Invoice, (life.tenant_id, draft.id))
    assert [line.description for line in invoice.lines] == [f"Item {n}" for n in range(300)]
    assert_equal_to_stripe(life)


def test_tiers_are_kept_apart_by_their_number(life: Life) -> None:
    life.use(131)
    renewed = life.renew()
    life.mirror()
    texts = [
        (line.tier, line.quantity, line.amount)
        for line in db.session.get_one(Invoice, (life.tenant_id, renewed.id)).lines
        if line.usage_type == "SMS_SENT"
    ]
    assert texts == [(1, 100, 0), (2, 31, 74)]


def test_an_invoice_kept_in_part_is_fetched_again(life: Life) -> None:
    with unit_of_work() as session:
        invoice = session.scalars(select(Invoice)).one()
        invoice.is_whole, invoice.customer_email, invoice.taxes = False, None, []
    assert fetch_partial_invoices() == 1
    db.session.rollback()
    assert_equal_to_stripe(life)
    assert fetch_partial_invoices() == 0
