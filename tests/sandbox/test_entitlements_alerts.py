"""What a subscription entitles to, and alerts of usage."""

from __future__ import annotations

from stripe import StripeClient

from tests.sandbox.shop import event_types, flat_price, give_card, new_customer, open_shop, use


def test_entitlements_follow_the_subscription(client: StripeClient) -> None:
    customer, price = new_customer(client), flat_price(client, 2900)
    feature = client.v1.entitlements.features.create({"name": "Voice", "lookup_key": "voice"})
    product = str(client.v1.prices.retrieve(price).product)
    client.v1.products.features.create(product, {"entitlement_feature": feature.id})
    subscription = client.v1.subscriptions.create({"customer": customer, "items": [{"price": price}]})
    active = client.v1.entitlements.active_entitlements
    assert [each.lookup_key for each in active.list({"customer": customer}).data] == ["voice"]
    client.v1.subscriptions.cancel(subscription.id)
    assert active.list({"customer": customer}).data == []
    assert event_types(client).count("entitlements.active_entitlement_summary.updated") == 2


def test_an_alert_is_told_once_for_a_customer(client: StripeClient) -> None:
    shop = open_shop(client)
    give_card(client, shop.customer)
    threshold = {"meter": shop.meter, "gte": 100, "recurrence": "one_time"}
    wanted = {"alert_type": "usage_threshold", "title": "Much", "usage_threshold": threshold}
    alert = client.v1.billing.alerts.create(wanted)
    now = int(client.v1.customers.retrieve(shop.customer).created)
    for number, value in enumerate((60, 39, 1, 500)):
        use(client, shop, value, now, str(number))
    (event,) = client.v1.events.list({"type": "billing.alert.triggered"}).data
    assert (event.data.object["value"], event.data.object["alert"]["id"]) == (100, alert.id)
    assert client.v1.billing.alerts.archive(alert.id).status == "archived"
