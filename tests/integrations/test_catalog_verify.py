"""`flask stripe setup verify` finds what was changed by hand at Stripe; apply mends it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from stripe import StripeClient

from dashboard.integrations.stripe.setup.portal import find_configuration
from dashboard.wiring import wiring
from tests.integrations.test_catalog_setup import apply, price_of, run


def rename_product(client: StripeClient) -> None:
    client.v1.products.update("countinghouse_starter", {"name": "Starter, renamed"})


def archive_product(client: StripeClient) -> None:
    client.v1.products.update("countinghouse_starter", {"active": False})


def archive_price(client: StripeClient) -> None:
    client.v1.prices.update(price_of("starter_monthly").id, {"active": False})


def take_the_lookup_key(client: StripeClient) -> None:
    client.v1.prices.update(price_of("starter_monthly").id, {"lookup_key": ""})


def rename_price(client: StripeClient) -> None:
    client.v1.prices.update(price_of("starter_sms_sent").id, {"nickname": "Texts"})


def rename_meter(client: StripeClient) -> None:
    meter = next(each for each in client.v1.billing.meters.list().data if each.event_name == "sms_sent")
    client.v1.billing.meters.update(meter.id, {"display_name": "Messages"})


def deactivate_meter(client: StripeClient) -> None:
    meter = next(each for each in client.v1.billing.meters.list().data if each.event_name == "sms_sent")
    client.v1.billing.meters.deactivate(meter.id)


def detach_feature(client: StripeClient) -> None:
    link = client.v1.products.features.list("countinghouse_starter").data[0]
    client.v1.products.features.delete("countinghouse_starter", link.id)


def allow_less_in_the_portal(client: StripeClient) -> None:
    configuration = find_configuration(client)
    assert configuration is not None
    client.v1.billing_portal.configurations.update(
        configuration.id, {"features": {"subscription_cancel": {"enabled": False}}}
    )


BY_HAND: list[tuple[Callable[[StripeClient], None], str]] = [
    (rename_product, "name: Starter, renamed -> Countinghouse Starter"),
    (archive_product, "active: False -> True"),
    (archive_price, "active: False -> True"),
    (take_the_lookup_key, "lookup_key: none -> starter_monthly"),
    (rename_price, "nickname: Texts -> Starter, SMS sent"),
    (rename_meter, "display_name: Messages -> SMS sent"),
    (deactivate_meter, "status: inactive -> active"),
    (detach_feature, "entitlement"),
    (allow_less_in_the_portal, "subscription_cancel.enabled: False -> True"),
]


@pytest.fixture
def more_settings() -> dict[str, object]:
    """An environment that has no secret yet."""
    return {"stripe_webhook_secret": None}


@pytest.mark.parametrize(("by_hand", "words"), BY_HAND, ids=lambda each: getattr(each, "__name__", ""))
def test_what_was_changed_by_hand_is_found_and_mended(
    app: Flask, by_hand: Callable[[StripeClient], None], words: str
) -> None:
    before = apply(app)
    by_hand(wiring().stripe_client)
    assert words in run(app, "verify", code=1).stdout
    assert apply(app) == before
    assert words not in run(app, "verify", code=1).stdout  # all that is left to say is that there is no endpoint


def test_an_endpoint_that_is_missing_is_found(app: Flask) -> None:
    apply(app)
    output = run(app, "verify", code=1).stdout
    assert "webhook endpoint" in output
    assert "event destination" in output
    assert "2 to create, 0 to change, 0 to archive, 0 to keep." in output


def test_a_secret_that_is_not_in_the_environment_is_found(app: Flask) -> None:
    apply(app, "--webhook")
    output = run(app, "verify", code=1).stdout
    assert "STRIPE_WEBHOOK_SECRET does not hold the secret of we_" in output
    assert "STRIPE_WEBHOOK_SECRET does not hold the secret of ed_" in output


def test_verify_changes_nothing(app: Flask) -> None:
    run(app, "verify", code=1)
    assert wiring().stripe_client.v1.products.list().data == []
