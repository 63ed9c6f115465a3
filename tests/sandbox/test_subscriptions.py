"""The life of a subscription at the sandbox: begun, in trial, canceled, taken back."""

from __future__ import annotations

import pytest
import stripe
from stripe import StripeClient

from tests.sandbox.shop import (
    ASKS,
    DAY,
    FAILS_LATER,
    JANUARY,
    end_of,
    event_types,
    flat_price,
    give_card,
    invoices_of,
    lines_of,
    new_customer,
    open_shop,
    use,
)
from tests.sandbox_server import SandboxServer

HOUR = 3_600


@pytest.fixture(autouse=True)
def _january(sandbox: SandboxServer) -> None:
    sandbox.post("/_sandbox/clock", {"set_to": JANUARY})


def begin(client: StripeClient, customer: str, *prices: str, **more: object) -> stripe.Subscription:
    items = [{"price": price} for price in prices]
    return client.v1.subscriptions.create({"customer": customer, "items": items, **more})


def test_a_subscription_begins_paid_and_tells_in_order(client: StripeClient) -> None:
    subscription = begin(client, new_customer(client), flat_price(client, 2900))
    assert subscription.status == "active"
    assert invoices_of(client, subscription)[0].status == "paid"
    told = event_types(client)
    wanted = [
        "customer.subscription.created",
        "invoice.created",
        "payment_intent.created",
        "invoice.finalized",
        "payment_intent.succeeded",
        "charge.succeeded",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
        "customer.subscription.updated",
    ]
    start = told.index(wanted[0])
    assert [each for each in told[start:] if each != "customer.updated"] == wanted


def test_a_yearly_base_and_monthly_usage_share_one_subscription(client: StripeClient, sandbox: SandboxServer) -> None:
    shop = open_shop(client)
    give_card(client, shop.customer)
    subscription = begin(client, shop.customer, flat_price(client, 29_000, "year"), shop.metered)
    year, month = subscription["items"].data
    assert (year.current_period_end - year.current_period_start) == 365 * DAY
    assert (month.current_period_end - month.current_period_start) == 31 * DAY
    use(client, shop, 1_100, month.current_period_start, "january")
    sandbox.advance(advance_to=month.current_period_end + 2 * HOUR)
    assert lines_of(invoices_of(client, subscription)[0]) == [
        ("1000 × Credit (Tier 1 at $0.00 / month)", 1000, 0),
        ("100 × Credit (Tier 2 at $0.036 / month)", 100, 360),
    ]
    sandbox.advance(advance_to=year.current_period_end + 2 * HOUR)
    coinciding = invoices_of(client, subscription)[0]
    assert [line.amount for line in coinciding.lines.data] == [29_000, 0]


def test_intervals_that_do_not_fit_are_refused(client: StripeClient) -> None:
    two_months = flat_price(client, 100, recurring={"interval": "month", "interval_count": 2})
    three = flat_price(client, 100, recurring={"interval": "month", "interval_count": 3})
    with pytest.raises(stripe.InvalidRequestError, match="multiple of the shortest"):
        begin(client, new_customer(client), two_months, three)


def test_a_metered_subscription_begins_without_an_invoice(client: StripeClient) -> None:
    shop = open_shop(client)
    subscription = begin(client, shop.customer, shop.metered)
    assert (subscription.status, subscription.latest_invoice) == ("active", None)


def test_a_trial_costs_nothing_and_ends_paid(client: StripeClient, sandbox: SandboxServer) -> None:
    subscription = begin(client, new_customer(client), flat_price(client, 2900), trial_period_days=14)
    (free,) = invoices_of(client, subscription)
    assert (subscription.status, free.total, free.status) == ("trialing", 0, "paid")
    assert subscription.trial_end == end_of(subscription) == subscription.billing_cycle_anchor
    sandbox.advance(advance_by=11 * DAY + 60)
    assert event_types(client)[-1] == "customer.subscription.trial_will_end"
    sandbox.advance(advance_to=end_of(subscription) + 2 * HOUR)
    subscription = client.v1.subscriptions.retrieve(subscription.id)
    assert subscription.status == "active"
    assert [(each.status, each.total) for each in invoices_of(client, subscription)] == [("paid", 2900), ("paid", 0)]


@pytest.mark.parametrize(("behavior", "status"), [("cancel", "canceled"), ("pause", "paused")])
def test_a_trial_without_a_card_ends_as_asked(
    client: StripeClient, sandbox: SandboxServer, behavior: str, status: str
) -> None:
    customer = new_customer(client, None)
    settings = {"end_behavior": {"missing_payment_method": behavior}}
    subscription = begin(client, customer, flat_price(client, 2900), trial_period_days=3, trial_settings=settings)
    sandbox.advance(advance_to=end_of(subscription) + 60)
    assert client.v1.subscriptions.retrieve(subscription.id).status == status


def test_a_trial_can_be_ended_now(client: StripeClient) -> None:
    subscription = begin(client, new_customer(client), flat_price(client, 2900), trial_period_days=14)
    subscription = client.v1.subscriptions.update(subscription.id, {"trial_end": "now"})
    assert subscription.status == "active"
    assert end_of(subscription) - subscription["items"].data[0].current_period_start == 31 * DAY
    assert invoices_of(client, subscription)[0].total == 2900


def test_a_first_payment_that_fails_leaves_it_incomplete_for_23_hours(
    client: StripeClient, sandbox: SandboxServer
) -> None:
    subscription = begin(client, new_customer(client, FAILS_LATER), flat_price(client, 2900))
    (invoice,) = invoices_of(client, subscription)
    assert (subscription.status, invoice.status, invoice.attempt_count) == ("incomplete", "open", 1)
    sandbox.advance(advance_by=23 * HOUR + 60)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "incomplete_expired"
    assert client.v1.invoices.retrieve(invoice.id or "").status == "void"


def test_an_incomplete_subscription_becomes_active_when_it_is_paid(client: StripeClient) -> None:
    customer = new_customer(client, FAILS_LATER)
    subscription = begin(client, customer, flat_price(client, 2900))
    invoice = client.v1.invoices.pay(str(subscription.latest_invoice), {"payment_method": give_card(client, customer)})
    assert invoice.status == "paid"
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"


def test_error_if_incomplete_leaves_nothing(client: StripeClient) -> None:
    customer, price = new_customer(client, FAILS_LATER), flat_price(client, 2900)
    with pytest.raises(stripe.CardError) as refusal:
        begin(client, customer, price, payment_behavior="error_if_incomplete")
    assert refusal.value.code == "card_declined"
    assert client.v1.subscriptions.list({"status": "all"}).data == []
    assert client.v1.invoices.list().data == []


def test_default_incomplete_waits_for_the_page(client: StripeClient) -> None:
    subscription = begin(
        client,
        new_customer(client),
        flat_price(client, 2900),
        payment_behavior="default_incomplete",
        expand=["latest_invoice.confirmation_secret", "latest_invoice.payments"],
    )
    invoice = subscription.latest_invoice
    assert isinstance(invoice, stripe.Invoice)
    assert subscription.status == "incomplete"
    assert invoice.confirmation_secret is not None
    assert invoice.payments is not None
    assert [each.status for each in invoice.payments.data] == ["open"]


def test_a_card_that_asks_needs_the_customer(client: StripeClient) -> None:
    subscription = begin(client, new_customer(client, ASKS), flat_price(client, 2900))
    assert subscription.status == "incomplete"
    assert "invoice.payment_action_required" in event_types(client)
    (payment,) = client.v1.invoice_payments.list({"invoice": str(subscription.latest_invoice)}).data
    intent = client.v1.payment_intents.retrieve(str(payment.payment.payment_intent))
    assert intent.status == "requires_action"


def test_cancel_now_bills_usage_only_with_invoice_now(client: StripeClient, sandbox: SandboxServer) -> None:
    shop = open_shop(client)
    give_card(client, shop.customer)
    for invoice_now, billed in ((False, 1), (True, 2)):
        subscription = begin(client, shop.customer, shop.base, shop.metered)
        use(client, shop, 1_010, subscription["items"].data[0].current_period_start, f"used {invoice_now}")
        sandbox.advance(advance_by=HOUR)
        client.v1.subscriptions.cancel(subscription.id, {"invoice_now": invoice_now})
        assert len(invoices_of(client, subscription)) == billed
    last = invoices_of(client, subscription)[0]
    assert (last.status, [line.amount for line in last.lines.data]) == ("paid", [0, 36])


def test_cancel_with_prorate_returns_unused_time(client: StripeClient, sandbox: SandboxServer) -> None:
    """Half of January's 31 days unused: 3100 × 15.5 / 31 = 1550 back, onto the customer's balance."""
    customer = new_customer(client)
    subscription = begin(client, customer, flat_price(client, 3100))
    start = subscription["items"].data[0].current_period_start
    sandbox.advance(advance_to=start + 15.5 * DAY)
    client.v1.subscriptions.cancel(subscription.id, {"prorate": True, "invoice_now": True})
    last = invoices_of(client, subscription)[0]
    assert abs(last.total + 1550) <= 1
    assert client.v1.customers.retrieve(customer).balance == last.total


@pytest.mark.parametrize(("form", "days"), [("min_period_end", 31), ("max_period_end", 365)])
def test_cancel_at_a_period_end_of_mixed_intervals(
    client: StripeClient, sandbox: SandboxServer, form: str, days: int
) -> None:
    shop = open_shop(client)
    give_card(client, shop.customer)
    subscription = begin(client, shop.customer, flat_price(client, 29_000, "year"), shop.metered)
    subscription = client.v1.subscriptions.update(subscription.id, {"cancel_at": form})
    assert subscription.cancel_at == subscription.start_date + days * DAY
    sandbox.advance(advance_to=subscription.cancel_at + 60)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"


def test_an_end_can_be_taken_back(client: StripeClient, sandbox: SandboxServer) -> None:
    subscription = begin(client, new_customer(client), flat_price(client, 2900))
    ending = client.v1.subscriptions.update(
        subscription.id, {"cancel_at_period_end": True, "cancellation_details": {"feedback": "too_expensive"}}
    )
    assert ending.cancellation_details is not None
    assert ending.cancellation_details.feedback == "too_expensive"
    going_on = client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    assert (going_on.cancel_at_period_end, going_on.canceled_at) == (False, None)
    sandbox.advance(advance_to=end_of(subscription) + 2 * HOUR)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"


def test_a_deleted_customer_has_no_subscription(client: StripeClient) -> None:
    customer = new_customer(client)
    subscription = begin(client, customer, flat_price(client, 2900))
    client.v1.customers.delete(customer)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"
    assert event_types(client)[-3:] == ["customer.subscription.deleted", "payment_method.detached", "customer.deleted"]
    assert client.v1.customers.list().data == []


def test_without_a_card_a_subscription_that_costs_is_refused(client: StripeClient) -> None:
    customer, price = new_customer(client, None), flat_price(client, 2900)
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source") as refusal:
        begin(client, customer, price)
    assert (refusal.value.http_status, refusal.value.code) == (400, "resource_missing")
    assert client.v1.subscriptions.list({"status": "all"}).data == []
