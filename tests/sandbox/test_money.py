"""Discounts, tax, credit, refunds and credit notes at the sandbox, each figure worked out by hand."""

from __future__ import annotations

import pytest
import stripe
from stripe import StripeClient

from tests.sandbox.shop import (
    DAY,
    JANUARY,
    end_of,
    event_types,
    flat_price,
    give_card,
    invoices_of,
    new_customer,
    open_shop,
    use,
)
from tests.sandbox_server import SandboxServer

HOUR = 3_600


@pytest.fixture(autouse=True)
def _january(sandbox: SandboxServer) -> None:
    sandbox.post("/_sandbox/clock", {"set_to": JANUARY})


def subscribe(client: StripeClient, customer: str, *amounts: int, **more: object) -> stripe.Subscription:
    items = [{"price": flat_price(client, amount)} for amount in amounts]
    return client.v1.subscriptions.create({"customer": customer, "items": items, **more})


def test_a_percentage_is_rounded_line_by_line(client: StripeClient) -> None:
    """15 % of 1010 is 151.5, so 152; of 2030 it is 304.5, so 305."""
    coupon = client.v1.coupons.create({"percent_off": 15, "duration": "forever"})
    subscription = subscribe(client, new_customer(client), 1010, 2030, discounts=[{"coupon": coupon.id}])
    (invoice,) = invoices_of(client, subscription)
    assert [line.discount_amounts[0].amount for line in invoice.lines.data] == [152, 305]  # type: ignore[index]
    assert (invoice.subtotal, invoice.total) == (3040, 2583)


def test_an_amount_off_is_spread_without_losing_a_unit(client: StripeClient) -> None:
    """100 over 1000, 1000 and 1000: 33, 34 and 33."""
    coupon = client.v1.coupons.create({"amount_off": 100, "currency": "usd", "duration": "once"})
    subscription = subscribe(client, new_customer(client), 1000, 1000, 1000, discounts=[{"coupon": coupon.id}])
    (invoice,) = invoices_of(client, subscription)
    assert [line.discount_amounts[0].amount for line in invoice.lines.data] == [33, 34, 33]  # type: ignore[index]
    assert invoice.total == 2900


@pytest.mark.parametrize(
    ("duration", "totals"),
    [
        ({"duration": "once"}, [500, 1000, 1000]),
        ({"duration": "repeating", "duration_in_months": 2}, [500, 500, 1000]),
        ({"duration": "forever"}, [500, 500, 500]),
    ],
)
def test_a_discount_lasts_as_long_as_its_coupon_says(
    client: StripeClient, sandbox: SandboxServer, duration: dict[str, object], totals: list[int]
) -> None:
    coupon = client.v1.coupons.create({"percent_off": 50, **duration})
    subscription = subscribe(client, new_customer(client), 1000, discounts=[{"coupon": coupon.id}])
    sandbox.advance(advance_by=61 * DAY)
    assert [invoice.total for invoice in invoices_of(client, subscription)][::-1] == totals


def test_prorations_are_net_of_a_percentage(client: StripeClient, sandbox: SandboxServer) -> None:
    """Half of 3100 and of 6200, for 21 of 31 days: 1050 back, 2100 charged."""
    coupon = client.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    subscription = subscribe(client, new_customer(client), 3100, discounts=[{"coupon": coupon.id}])
    sandbox.advance(advance_to=subscription.start_date + 10 * DAY + 1)
    items = [{"id": subscription["items"].data[0].id, "price": flat_price(client, 6200)}]
    at = subscription.start_date + 10 * DAY
    more = {"proration_behavior": "always_invoice", "proration_date": at}
    client.v1.subscriptions.update(subscription.id, {"items": items, **more})
    assert [line.amount for line in invoices_of(client, subscription)[0].lines.data] == [-1050, 2100]


def test_tax_comes_after_the_discount(client: StripeClient) -> None:
    """1000 less 10 % is 900; 19 % of it is 171."""
    coupon = client.v1.coupons.create({"percent_off": 10, "duration": "once"})
    customer = new_customer(client, address={"country": "DE"})
    more = {"discounts": [{"coupon": coupon.id}], "automatic_tax": {"enabled": True}}
    (invoice,) = invoices_of(client, subscribe(client, customer, 1000, **more))
    (tax,) = invoice.total_taxes or []
    assert (tax.amount, tax.taxable_amount, invoice.total) == (171, 900, 1071)
    assert tax.tax_rate_details is not None
    assert client.v1.tax_rates.retrieve(tax.tax_rate_details.tax_rate).percentage == 19


def test_an_inclusive_price_contains_its_tax(client: StripeClient) -> None:
    """1190 with 19 % inside: 1000 and 190."""
    customer = new_customer(client, address={"country": "DE"})
    price = flat_price(client, 1190, tax_behavior="inclusive")
    items, tax = [{"price": price}], {"enabled": True}
    subscription = client.v1.subscriptions.create({"customer": customer, "items": items, "automatic_tax": tax})
    (invoice,) = invoices_of(client, subscription)
    assert (invoice.subtotal, invoice.total, invoice.total_excluding_tax) == (1190, 1190, 1000)
    assert invoice.subtotal_excluding_tax == 1000


def test_a_renewal_without_a_place_cannot_be_finalized(client: StripeClient, sandbox: SandboxServer) -> None:
    customer = new_customer(client)
    subscription = subscribe(client, customer, 1000)
    client.v1.subscriptions.update(subscription.id, {"automatic_tax": {"enabled": True}})
    sandbox.advance(advance_to=end_of(subscription) + 2 * HOUR)
    draft = invoices_of(client, subscription)[0]
    assert (draft.status, draft.automatic_tax.status) == ("draft", "requires_location_inputs")
    assert event_types(client)[-1] == "invoice.finalization_failed"
    client.v1.customers.update(customer, {"address": {"country": "FR"}})
    assert client.v1.invoices.finalize_invoice(draft.id or "").total == 1200


def paid_invoice(client: StripeClient, customer: str, amount: int = 2900) -> stripe.Invoice:
    return invoices_of(client, subscribe(client, customer, amount))[0]


def charge_of(client: StripeClient, invoice: stripe.Invoice) -> stripe.Charge:
    (payment,) = client.v1.invoice_payments.list({"invoice": invoice.id or ""}).data
    intent = client.v1.payment_intents.retrieve(str(payment.payment.payment_intent), {"expand": ["latest_charge"]})
    assert isinstance(intent.latest_charge, stripe.Charge)
    return intent.latest_charge


def test_a_charge_is_refunded_in_parts_but_never_beyond_it(client: StripeClient) -> None:
    charge = charge_of(client, paid_invoice(client, new_customer(client)))
    client.v1.refunds.create({"charge": charge.id, "amount": 900})
    assert client.v1.charges.retrieve(charge.id).refunded is False
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
        client.v1.refunds.create({"charge": charge.id, "amount": 2001})
    client.v1.refunds.create({"charge": charge.id})
    refunded = client.v1.charges.retrieve(charge.id)
    assert (refunded.refunded, refunded.amount_refunded) == (True, 2900)
    assert event_types(client)[-3:] == ["refund.created", "charge.refunded", "refund.updated"]


def test_a_credit_note_of_a_paid_invoice_is_split(client: StripeClient) -> None:
    customer = new_customer(client)
    invoice = paid_invoice(client, customer)
    line = {"type": "invoice_line_item", "invoice_line_item": invoice.lines.data[0].id, "amount": 1500}
    wanted = {"invoice": invoice.id or "", "lines": [line], "refund_amount": 1000, "credit_amount": 500}
    preview = client.v1.credit_notes.preview(wanted)
    assert (preview.amount, client.v1.credit_notes.list().data) == (1500, [])
    note = client.v1.credit_notes.create(wanted)
    assert (note.type, note.post_payment_amount, note.pre_payment_amount) == ("post_payment", 1500, 0)
    after = client.v1.invoices.retrieve(invoice.id or "")
    assert (after.post_payment_credit_notes_amount, after.amount_paid) == (1500, 2900)
    assert charge_of(client, invoice).amount_refunded == 1000
    assert client.v1.customers.retrieve(customer).balance == -500
    with pytest.raises(stripe.InvalidRequestError, match="must be 100"):
        client.v1.credit_notes.create({"invoice": invoice.id or "", "amount": 100})
    with pytest.raises(stripe.InvalidRequestError, match="exceed"):
        client.v1.credit_notes.create({"invoice": invoice.id or "", "amount": 1401, "refund_amount": 1401})


def test_a_credit_note_of_a_taxed_line_returns_its_tax(client: StripeClient) -> None:
    """Half of 1000 and of its 190 tax: 595."""
    customer = new_customer(client, address={"country": "DE"})
    subscription = subscribe(client, customer, 1000, automatic_tax={"enabled": True})
    (invoice,) = invoices_of(client, subscription)
    line = {"type": "invoice_line_item", "invoice_line_item": invoice.lines.data[0].id, "amount": 500}
    note = client.v1.credit_notes.create({"invoice": invoice.id or "", "lines": [line], "refund_amount": 595})
    assert (note.subtotal, note.total, note.total_excluding_tax) == (500, 595, 500)


def test_a_credit_note_of_an_open_invoice_lowers_what_is_due(client: StripeClient, sandbox: SandboxServer) -> None:
    customer = new_customer(client)
    subscription = subscribe(client, customer, 2900)
    give_card(client, customer, "pm_card_chargeCustomerFail")
    sandbox.advance(advance_to=end_of(subscription) + 2 * HOUR)
    owed = invoices_of(client, subscription)[0].id or ""
    client.v1.credit_notes.create({"invoice": owed, "amount": 900})
    lower = client.v1.invoices.retrieve(owed)
    assert (lower.amount_remaining, lower.pre_payment_credit_notes_amount, lower.total) == (2000, 900, 2900)
    client.v1.credit_notes.create({"invoice": owed, "amount": 2000})
    assert client.v1.invoices.retrieve(owed).status == "paid"
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"


def test_credit_is_spent_on_usage_only(client: StripeClient, sandbox: SandboxServer) -> None:
    """1,100 used: 360. A grant of 300 leaves 60 of it, beside the base fee of 2900."""
    shop = open_shop(client)
    give_card(client, shop.customer)
    items = [{"price": shop.base}, {"price": shop.metered}]
    subscription = client.v1.subscriptions.create({"customer": shop.customer, "items": items})
    grant = {
        "customer": shop.customer,
        "amount": {"type": "monetary", "monetary": {"currency": "usd", "value": 300}},
        "applicability_config": {"scope": {"price_type": "metered"}},
        "category": "promotional",
    }
    client.v1.billing.credit_grants.create(grant)
    use(client, shop, 1_100, subscription.start_date, "used")
    sandbox.advance(advance_to=end_of(subscription) + 2 * HOUR)
    invoice = invoices_of(client, subscription)[0]
    assert (invoice.subtotal, invoice.total) == (3260, 2960)
    assert [each.amount for each in invoice.total_pretax_credit_amounts or []] == [300]
    balance = {
        "customer": shop.customer,
        "filter": {"type": "applicability_scope", "applicability_scope": {"price_type": "metered"}},
    }
    (left,) = client.v1.billing.credit_balance_summary.retrieve(balance).balances
    assert left.available_balance.monetary is not None
    assert left.available_balance.monetary.value == 0


def test_invoice_items_wait_for_an_invoice(client: StripeClient) -> None:
    customer = new_customer(client)
    item = client.v1.invoice_items.create(
        {"customer": customer, "amount": 700, "currency": "usd", "description": "Setup"}
    )
    gone = client.v1.invoice_items.create({"customer": customer, "amount": 1, "currency": "usd"})
    client.v1.invoice_items.delete(gone.id)
    draft = client.v1.invoices.create({"customer": customer, "pending_invoice_items_behavior": "include"})
    assert [line.description for line in draft.lines.data] == ["Setup"]
    assert client.v1.invoice_items.retrieve(item.id).invoice == draft.id
    assert client.v1.invoices.pay(draft.id or "").status == "paid"


def test_a_disputed_payment_is_told(client: StripeClient, sandbox: SandboxServer) -> None:
    charge = charge_of(client, paid_invoice(client, new_customer(client)))
    sandbox.post(f"/_sandbox/charges/{charge.id}/dispute", {})
    assert client.v1.charges.retrieve(charge.id).disputed is True
    (dispute,) = client.v1.disputes.list({"charge": charge.id}).data
    assert (dispute.status, dispute.amount) == ("needs_response", 2900)
    assert client.v1.disputes.close(dispute.id).status == "lost"
    assert "charge.dispute.created" in event_types(client)
