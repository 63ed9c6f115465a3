"""Customers, their cards and tax ids, setup intents, and the portal's pages."""

from __future__ import annotations

import pytest
import requests
import stripe
from stripe import StripeClient

from tests.sandbox.shop import ASKS, CARD, event_types, flat_price, give_card, new_customer
from tests.sandbox_server import SandboxServer


@pytest.fixture
def subscription(client: StripeClient, sandbox: SandboxServer) -> stripe.Subscription:
    items = [{"price": flat_price(client, 2900)}]
    return client.v1.subscriptions.create({"customer": new_customer(client), "items": items})


def test_a_customer_is_changed_field_by_field(client: StripeClient) -> None:
    customer = client.v1.customers.create({"name": "Ada", "metadata": {"tenant_id": "7", "old": "x"}})
    address = {"country": "DE", "city": "Berlin"}
    client.v1.customers.update(customer.id, {"address": address, "metadata": {"old": ""}, "tax_exempt": "exempt"})
    changed = client.v1.customers.retrieve(customer.id)
    assert (changed.name, changed.tax_exempt, changed.metadata.to_dict()) == ("Ada", "exempt", {"tenant_id": "7"})
    (event,) = client.v1.events.list({"type": "customer.updated"}).data
    assert event.data.previous_attributes is not None
    assert event.data.previous_attributes["address"] is None


def test_a_card_is_attached_made_the_default_and_detached(client: StripeClient) -> None:
    customer = new_customer(client, None)
    method = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_mastercard"}})
    with pytest.raises(stripe.InvalidRequestError, match="attach it first"):
        client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": method.id}})
    client.v1.payment_methods.attach(method.id, {"customer": customer})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": method.id}})
    client.v1.payment_methods.update(method.id, {"card": {"exp_month": 1, "exp_year": 2050}})
    (listed,) = client.v1.customers.payment_methods.list(customer).data
    assert listed.card is not None
    assert (listed.card.brand, listed.card.exp_year) == ("mastercard", 2050)
    client.v1.payment_methods.detach(method.id)
    after = client.v1.customers.retrieve(customer)
    assert after.invoice_settings is not None
    assert after.invoice_settings.default_payment_method is None
    assert {"payment_method.attached", "payment_method.updated", "payment_method.detached"} <= set(event_types(client))


def test_a_customer_comes_with_its_card(client: StripeClient) -> None:
    card = {"payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
    customer = client.v1.customers.create(card)  # type: ignore[arg-type]
    (listed,) = client.v1.customers.payment_methods.list(customer.id).data
    assert customer.invoice_settings is not None
    assert customer.invoice_settings.default_payment_method == listed.id
    with pytest.raises(stripe.InvalidRequestError, match="give it as payment_method"):
        client.v1.customers.create({"invoice_settings": {"default_payment_method": listed.id}})
    assert len(client.v1.customers.list().data) == 1


def test_a_card_that_is_declined_when_saved_is_refused(client: StripeClient) -> None:
    customer = new_customer(client, None)
    with pytest.raises(stripe.CardError) as refusal:
        client.v1.payment_methods.attach("pm_card_chargeDeclined", {"customer": customer})
    assert refusal.value.code == "card_declined"
    assert client.v1.payment_methods.list({"customer": customer}).data == []


def test_a_setup_intent_keeps_a_card(client: StripeClient) -> None:
    customer = new_customer(client, None)
    intent = client.v1.setup_intents.create({"customer": customer, "payment_method": "pm_card_visa", "confirm": True})
    assert intent.status == "succeeded"
    assert len(client.v1.payment_methods.list({"customer": customer}).data) == 1
    asked = client.v1.setup_intents.create({"customer": customer, "payment_method": ASKS, "confirm": True})
    assert asked.next_action is not None
    assert asked.next_action.redirect_to_url is not None
    requests.post(asked.next_action.redirect_to_url.url or "", data={"result": "complete"}, timeout=10)
    assert client.v1.setup_intents.retrieve(asked.id).status == "succeeded"


def test_tax_ids_come_and_go(client: StripeClient) -> None:
    customer = new_customer(client, None)
    tax_id = client.v1.customers.tax_ids.create(customer, {"type": "eu_vat", "value": "DE123456789"})
    assert [each.value for each in client.v1.customers.tax_ids.list(customer).data] == ["DE123456789"]
    client.v1.customers.tax_ids.delete(customer, tax_id.id)
    assert client.v1.customers.tax_ids.list(customer).data == []
    assert event_types(client)[-2:] == ["customer.tax_id.created", "customer.tax_id.deleted"]


def portal(client: StripeClient, subscription: stripe.Subscription, **more: object) -> str:
    wanted = {"customer": str(subscription.customer), "return_url": "http://127.0.0.1/back", **more}
    return client.v1.billing_portal.sessions.create(wanted).url


def test_the_portal_ends_a_subscription_and_takes_it_back(
    client: StripeClient, subscription: stripe.Subscription
) -> None:
    url = portal(client, subscription)
    assert 'id="cancel"' in requests.get(url, timeout=10).text
    requests.post(f"{url}/cancel/{subscription.id}", timeout=10)
    ending = client.v1.subscriptions.retrieve(subscription.id)
    assert ending.cancel_at == subscription["items"].data[0].current_period_end
    assert (ending.status, ending.cancel_at_period_end) == ("active", False)
    assert 'id="renew"' in requests.get(url, timeout=10).text
    requests.post(f"{url}/renew/{subscription.id}", timeout=10)
    assert client.v1.subscriptions.retrieve(subscription.id).cancel_at is None


def test_the_portal_changes_the_card(client: StripeClient, subscription: stripe.Subscription) -> None:
    url = portal(client, subscription)
    refused = requests.post(f"{url}/card", data={**CARD, "number": "4000000000000002"}, timeout=10)
    assert (refused.status_code, "declined" in refused.text) == (402, True)
    page = requests.post(f"{url}/card", data={**CARD, "number": "5555 5555 5555 4444"}, timeout=10)
    assert "Mastercard ending 4444" in page.text
    settings = client.v1.customers.retrieve(str(subscription.customer)).invoice_settings
    assert settings is not None
    method = client.v1.payment_methods.retrieve(str(settings.default_payment_method))
    assert method.card is not None
    assert method.card.last4 == "4444"


@pytest.mark.parametrize("kind", ["payment_method_update", "subscription_cancel"])
def test_a_flow_leads_back_when_it_is_done(client: StripeClient, subscription: stripe.Subscription, kind: str) -> None:
    flow: dict[str, object] = {
        "type": kind,
        "after_completion": {"type": "redirect", "redirect": {"return_url": "http://127.0.0.1:9/done"}},
    }
    if kind == "subscription_cancel":
        flow[kind] = {"subscription": subscription.id}
    url = portal(client, subscription, flow_data=flow)
    page = requests.get(url, timeout=10)
    assert page.status_code == 200
    session = url.split("/flow/")[0]
    target = f"{session}/card" if kind == "payment_method_update" else f"{session}/cancel/{subscription.id}"
    done = requests.post(target, data=CARD, timeout=10, allow_redirects=False)
    assert (done.status_code, done.headers["Location"]) == (303, "http://127.0.0.1:9/done")


def test_a_configuration_says_what_the_portal_offers(client: StripeClient, subscription: stripe.Subscription) -> None:
    features = {"invoice_history": {"enabled": True}, "subscription_cancel": {"enabled": True, "mode": "immediately"}}
    made = client.v1.billing_portal.configurations.create({"features": features})
    url = portal(client, subscription, configuration=made.id)
    assert "Use another card" not in requests.get(url, timeout=10).text
    off = {"features": {"invoice_history": {"enabled": False}}}
    changed = client.v1.billing_portal.configurations.update(made.id, off)
    assert (changed.features.invoice_history.enabled, changed.features.subscription_cancel.enabled) == (False, True)
    requests.post(f"{url}/cancel/{subscription.id}", timeout=10)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"


def test_a_portal_shows_nothing_of_others(client: StripeClient, subscription: stripe.Subscription) -> None:
    stranger = client.v1.customers.create({"name": "Eve"})
    give_card(client, stranger.id)
    url = client.v1.billing_portal.sessions.create({"customer": stranger.id}).url
    assert requests.post(f"{url}/cancel/{subscription.id}", timeout=10).status_code == 404
    assert client.v1.subscriptions.retrieve(subscription.id).cancel_at is None
