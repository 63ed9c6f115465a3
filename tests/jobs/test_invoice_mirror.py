"""The mirror of invoices equals Stripe field by field, after a whole life, by webhooks in the wrong order."""

from __future__ import annotations

from typing import Any

import pytest
import stripe
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from dashboard.billing.invoices.invoice_reports import InvoiceDetail, find_invoice
from dashboard.billing.mirror.customers import ensure_customer
from dashboard.billing.plans.plans import prices_of_plan
from dashboard.database import db
from dashboard.jobs.billing_states import fetch_partial_invoices
from dashboard.jobs.metering import start_sync
from dashboard.models import Invoice, Refund
from dashboard.wiring import unit_of_work, wiring
from tests.factories import usage_body
from tests.jobs.invoice_forms import ours, theirs
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
