"""Hosted Checkout at the sandbox: trials, promotion codes, tax, cards that ask, cards kept for later."""

from __future__ import annotations

import pytest
import requests
import stripe
from stripe import StripeClient

from tests.sandbox.shop import CARD, DAY, JANUARY, Shop, event_types, flat_price, invoices_of, open_shop, pay
from tests.sandbox_server import SandboxServer


@pytest.fixture
def shop(client: StripeClient, sandbox: SandboxServer) -> Shop:
    sandbox.post("/_sandbox/clock", {"set_to": JANUARY})
    return open_shop(client)


def open_session(client: StripeClient, shop: Shop, **more: object) -> stripe.checkout.Session:
    wanted = {
        "mode": "subscription",
        "customer": shop.customer,
        "line_items": [{"price": shop.base, "quantity": 1}, {"price": shop.metered}],
        "success_url": "http://127.0.0.1/done?session={CHECKOUT_SESSION_ID}",
        **more,
    }
    return client.v1.checkout.sessions.create({name: value for name, value in wanted.items() if value is not None})


def bought(client: StripeClient, session: stripe.checkout.Session) -> stripe.Subscription:
    done = client.v1.checkout.sessions.retrieve(session.id)
    assert done.status == "complete"
    return client.v1.subscriptions.retrieve(str(done.subscription))


def test_completion_is_told_last(client: StripeClient, shop: Shop) -> None:
    session = open_session(client, shop)
    assert [item.quantity for item in client.v1.checkout.sessions.line_items.list(session.id).data] == [1, None]
    pay(session)
    done = client.v1.checkout.sessions.retrieve(session.id)
    assert (done.payment_status, done.amount_total, done.payment_intent) == ("paid", 2900, None)
    assert event_types(client)[-1] == "checkout.session.completed"


def test_the_card_becomes_the_subscriptions_not_the_customers(client: StripeClient, shop: Shop) -> None:
    session = open_session(client, shop)
    pay(session)
    (method,) = client.v1.payment_methods.list({"customer": shop.customer}).data
    assert bought(client, session).default_payment_method == method.id
    settings = client.v1.customers.retrieve(shop.customer).invoice_settings
    assert settings is not None
    assert settings.default_payment_method is None


def test_a_trial_is_free_today(client: StripeClient, shop: Shop) -> None:
    session = open_session(client, shop, subscription_data={"trial_period_days": 14, "metadata": {"tenant_id": "7"}})
    assert session.amount_total == 0
    pay(session)
    subscription = bought(client, session)
    assert (subscription.status, subscription.trial_end) == ("trialing", subscription.start_date + 14 * DAY)
    assert subscription.metadata["tenant_id"] == "7"
    done = client.v1.checkout.sessions.retrieve(session.id)
    assert done.payment_status == "no_payment_required"


def test_a_promotion_code_is_entered_on_the_page(client: StripeClient, shop: Shop) -> None:
    """20 % off 2900 is 580."""
    coupon = client.v1.coupons.create({"percent_off": 20, "duration": "once"})
    code = client.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "SPRING"})
    session = open_session(client, shop, allow_promotion_codes=True)
    wrong = pay(session, promotion_code="AUTUMN")
    assert (wrong.status_code, "not valid" in wrong.text) == (402, True)
    assert pay(session, promotion_code="spring").status_code == 303
    (invoice,) = invoices_of(client, bought(client, session))
    assert (invoice.subtotal, invoice.total, invoice.amount_paid) == (2900, 2320, 2320)
    assert client.v1.promotion_codes.list({"code": "SPRING"}).data[0].times_redeemed == 1
    assert code.promotion.coupon == coupon.id


def test_a_discount_of_the_session_is_shown_before_it_is_paid(client: StripeClient, shop: Shop) -> None:
    coupon = client.v1.coupons.create({"amount_off": 900, "currency": "usd", "duration": "forever"})
    session = open_session(client, shop, discounts=[{"coupon": coupon.id}])
    assert session.total_details is not None
    assert (session.amount_total, session.total_details.amount_discount) == (2000, 900)
    with pytest.raises(stripe.InvalidRequestError):
        open_session(client, shop, discounts=[{"coupon": coupon.id}], allow_promotion_codes=True)


def test_tax_follows_the_country_entered(client: StripeClient, shop: Shop) -> None:
    """19 % of 2900 is 551."""
    session = open_session(
        client,
        shop,
        automatic_tax={"enabled": True},
        customer_update={"address": "auto", "name": "auto"},
        tax_id_collection={"enabled": True},
        billing_address_collection="required",
    )
    asked = pay(session, country="")
    assert (asked.status_code, "two letters of the country" in asked.text) == (402, True)
    assert pay(session, country="de").status_code == 303
    (invoice,) = invoices_of(client, bought(client, session))
    assert (invoice.subtotal, invoice.total, invoice.total_excluding_tax) == (2900, 3451, 2900)
    customer = client.v1.customers.retrieve(shop.customer)
    assert customer.address is not None
    assert customer.address.country == "DE"


def test_a_business_of_the_union_owes_the_tax_itself(client: StripeClient, shop: Shop) -> None:
    session = open_session(
        client,
        shop,
        automatic_tax={"enabled": True},
        customer_update={"address": "auto", "name": "auto"},
        tax_id_collection={"enabled": True},
    )
    pay(session, country="DE", tax_id="DE123456789")
    (invoice,) = invoices_of(client, bought(client, session))
    assert invoice.total == 2900
    assert [tax.taxability_reason for tax in invoice.total_taxes or []] == ["reverse_charge"]


@pytest.mark.parametrize(
    ("collects", "param"),
    [
        ({"automatic_tax": {"enabled": True}}, "customer_update[address]"),
        ({"tax_id_collection": {"enabled": True}}, "customer_update[name]"),
    ],
)
def test_what_is_collected_must_be_kept(
    client: StripeClient, shop: Shop, collects: dict[str, object], param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        open_session(client, shop, **collects)
    assert refusal.value.param == param


@pytest.mark.parametrize(("result", "status"), [("complete", "complete"), ("fail", "open")])
def test_a_card_may_ask_the_customer(client: StripeClient, shop: Shop, result: str, status: str) -> None:
    session = open_session(client, shop)
    asked = pay(session, number="4000 0000 0000 3220")
    assert "Is it you?" in asked.text
    assert client.v1.subscriptions.list().data == []
    requests.post(f"{session.url}/authenticate", data={"result": result}, timeout=10, allow_redirects=False)
    assert client.v1.checkout.sessions.retrieve(session.id).status == status


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("4000000000000069", "expired"),
        ("4000000000000127", "security code"),
        ("4000000000000341", "declined"),
        ("4242", "14 to 19 digits"),
    ],
)
def test_a_card_that_fails_says_why(client: StripeClient, shop: Shop, number: str, words: str) -> None:
    answer = pay(open_session(client, shop), number=number)
    assert (answer.status_code, words in answer.text) == (402, True)
    assert client.v1.payment_methods.list({"customer": shop.customer}).data == []


def test_a_card_that_fails_later_is_taken_for_a_trial(client: StripeClient, shop: Shop) -> None:
    session = open_session(client, shop, subscription_data={"trial_period_days": 7})
    assert pay(session, number="4000000000000341").status_code == 303


def test_a_setup_session_keeps_a_card_for_a_subscription_of_mixed_intervals(client: StripeClient, shop: Shop) -> None:
    session = open_session(client, shop, mode="setup", line_items=None, currency="usd")
    requests.post(session.url or "", data=CARD, timeout=10, allow_redirects=False)
    done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent"]})
    assert isinstance(done.setup_intent, stripe.SetupIntent)
    method = str(done.setup_intent.payment_method)
    subscription = client.v1.subscriptions.create(
        {
            "customer": shop.customer,
            "default_payment_method": method,
            "items": [{"price": flat_price(client, 29_000, "year")}, {"price": shop.metered}],
        }
    )
    assert subscription.status == "active"
    with pytest.raises(stripe.InvalidRequestError, match="different intervals"):
        open_session(
            client, shop, line_items=[{"price": flat_price(client, 1, "year"), "quantity": 1}, {"price": shop.metered}]
        )


def test_a_new_customer_is_made_where_there_is_none(client: StripeClient, shop: Shop) -> None:
    session = open_session(client, shop, customer=None, customer_email="eve@example.com")
    pay(session, email="eve@example.com")
    customer = client.v1.customers.retrieve(str(bought(client, session).customer))
    assert (customer.id != shop.customer, customer.email) == (True, "eve@example.com")


def test_a_session_expires_by_itself_and_by_call(client: StripeClient, sandbox: SandboxServer, shop: Shop) -> None:
    late, closed = open_session(client, shop), open_session(client, shop)
    assert client.v1.checkout.sessions.expire(closed.id).status == "expired"
    sandbox.advance(advance_by=DAY + 60)
    assert client.v1.checkout.sessions.retrieve(late.id).status == "expired"
    assert event_types(client).count("checkout.session.expired") == 2
    assert "expired" in requests.get(closed.url or late.url or f"{sandbox.stripe_base}/c/pay/{late.id}", timeout=5).text


@pytest.mark.parametrize("name", ["payment_method_types", "coupon", "promotion_code"])
def test_removed_parameters_are_refused(client: StripeClient, shop: Shop, name: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        open_session(client, shop, **{name: "card"})
    assert refusal.value.param == name
