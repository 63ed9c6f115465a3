"""Renewals that are not paid: retries, recovery, and the end."""

from __future__ import annotations

import pytest
import requests
import stripe
from stripe import StripeClient

from tests.sandbox.shop import (
    ASKS,
    CARD,
    DAY,
    FAILS_LATER,
    JANUARY,
    end_of,
    event_types,
    flat_price,
    give_card,
    invoices_of,
    new_customer,
)
from tests.sandbox_server import SandboxServer

HOUR = 3_600


@pytest.fixture
def owing(client: StripeClient, sandbox: SandboxServer) -> stripe.Subscription:
    """A subscription whose renewal was just declined."""
    sandbox.post("/_sandbox/clock", {"set_to": JANUARY})
    customer = new_customer(client)
    subscription = client.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": flat_price(client, 2900)}]}
    )
    give_card(client, customer, FAILS_LATER)
    sandbox.advance(advance_to=end_of(subscription) + HOUR + 60)
    return client.v1.subscriptions.retrieve(subscription.id)


def test_a_declined_renewal_is_past_due_and_tried_again(
    client: StripeClient, sandbox: SandboxServer, owing: stripe.Subscription
) -> None:
    invoice = invoices_of(client, owing)[0]
    assert (owing.status, invoice.status, invoice.attempt_count) == ("past_due", "open", 1)
    assert invoice.next_payment_attempt is not None
    told = event_types(client)
    wanted = ["charge.failed", "payment_intent.payment_failed", "invoice.updated", "invoice.payment_failed"]
    at = told.index("charge.failed")
    assert told[at : at + 5] == [*wanted, "customer.subscription.updated"]
    sandbox.advance(advance_to=invoice.next_payment_attempt + 60)
    again = client.v1.invoices.retrieve(invoice.id or "")
    assert again.attempt_count == 2
    assert again.next_payment_attempt == invoice.next_payment_attempt + 3 * DAY
    intents = client.v1.payment_intents.list({"customer": str(owing.customer)}).data
    assert len(intents) == 2, "retries reuse the invoice's intent"


def test_another_card_recovers_it(client: StripeClient, sandbox: SandboxServer, owing: stripe.Subscription) -> None:
    give_card(client, str(owing.customer))
    sandbox.advance(advance_by=3 * DAY)
    assert client.v1.subscriptions.retrieve(owing.id).status == "active"
    assert invoices_of(client, owing)[0].status == "paid"


@pytest.mark.parametrize("end", ["canceled", "unpaid", "past_due", "paused"])
def test_after_the_last_try_the_setting_decides(
    client: StripeClient, sandbox: SandboxServer, owing: stripe.Subscription, end: str
) -> None:
    sandbox.post("/_sandbox/settings", {"dunning_end": end})
    sandbox.advance(advance_by=9 * DAY + HOUR)
    subscription = client.v1.subscriptions.retrieve(owing.id)
    invoice = invoices_of(client, owing)[0]
    assert (subscription.status, invoice.status, invoice.attempt_count) == (end, "open", 4)
    assert invoice.next_payment_attempt is None


def test_invoices_of_an_unpaid_subscription_stay_drafts_until_the_latest_is_paid(
    client: StripeClient, sandbox: SandboxServer, owing: stripe.Subscription
) -> None:
    sandbox.post("/_sandbox/settings", {"dunning_end": "unpaid", "dunning_days": [1]})
    sandbox.advance(advance_to=end_of(owing) + 2 * DAY)
    draft, owed = invoices_of(client, owing)[:2]
    assert (draft.status, draft.auto_advance, owed.status) == ("draft", False, "open")
    method = give_card(client, str(owing.customer))
    client.v1.invoices.pay(draft.id or "", {"payment_method": method})
    assert client.v1.subscriptions.retrieve(owing.id).status == "active"


def test_an_open_invoice_can_be_paid_on_its_page(client: StripeClient, owing: stripe.Subscription) -> None:
    url = invoices_of(client, owing)[0].hosted_invoice_url or ""
    declined = requests.post(url, data={**CARD, "number": "4000000000009995"}, timeout=10)
    assert (declined.status_code, "insufficient funds" in declined.text) == (402, True)
    assert requests.post(url, data=CARD, timeout=10).status_code == 200
    assert client.v1.subscriptions.retrieve(owing.id).status == "active"
    assert 'id="pay"' not in requests.get(url, timeout=10).text


@pytest.mark.parametrize(("result", "status"), [("complete", "paid"), ("fail", "open")])
def test_a_renewal_may_ask_the_customer(
    client: StripeClient, sandbox: SandboxServer, owing: stripe.Subscription, result: str, status: str
) -> None:
    method = give_card(client, str(owing.customer), ASKS)
    invoice = invoices_of(client, owing)[0]
    with pytest.raises(stripe.CardError) as refusal:
        client.v1.invoices.pay(invoice.id or "", {"payment_method": method})
    assert refusal.value.code == "invoice_payment_intent_requires_action"
    assert "invoice.payment_action_required" in event_types(client)
    (payment,) = client.v1.invoice_payments.list({"invoice": invoice.id or ""}).data
    intent = client.v1.payment_intents.retrieve(str(payment.payment.payment_intent))
    assert intent.next_action is not None
    assert intent.next_action.redirect_to_url is not None
    requests.post(intent.next_action.redirect_to_url.url or "", data={"result": result}, timeout=10)
    assert client.v1.invoices.retrieve(invoice.id or "").status == status


def test_an_invoice_can_be_paid_elsewhere_written_off_or_voided(
    client: StripeClient, owing: stripe.Subscription
) -> None:
    invoice = invoices_of(client, owing)[0].id or ""
    assert client.v1.invoices.mark_uncollectible(invoice).status == "uncollectible"
    paid = client.v1.invoices.pay(invoice, {"paid_out_of_band": True})
    assert (paid.status, paid.amount_paid_off_stripe) == ("paid", 2900)
    with pytest.raises(stripe.InvalidRequestError, match="not open"):
        client.v1.invoices.void_invoice(invoice)
    with pytest.raises(stripe.InvalidRequestError, match="not open"):
        client.v1.invoices.pay(invoice)


@pytest.mark.parametrize(
    ("behavior", "status"), [("void", "void"), ("mark_uncollectible", "uncollectible"), ("keep_as_draft", "draft")]
)
def test_collection_can_be_paused(client: StripeClient, sandbox: SandboxServer, behavior: str, status: str) -> None:
    sandbox.post("/_sandbox/clock", {"set_to": JANUARY})
    items = [{"price": flat_price(client, 2900)}]
    subscription = client.v1.subscriptions.create({"customer": new_customer(client), "items": items})
    resumes_at = end_of(subscription) + 10 * DAY
    pause = {"behavior": behavior, "resumes_at": resumes_at}
    client.v1.subscriptions.update(subscription.id, {"pause_collection": pause})
    sandbox.advance(advance_to=end_of(subscription) + 2 * HOUR)
    assert invoices_of(client, subscription)[0].status == status
    sandbox.advance(advance_to=resumes_at + 60)
    resumed = client.v1.subscriptions.retrieve(subscription.id)
    assert (resumed.pause_collection, resumed.status) == (None, "active")
