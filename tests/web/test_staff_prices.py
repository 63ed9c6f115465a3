"""Staff say what an unknown price means, on a page or by command; its subscriptions get their plan at once."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from dashboard.billing.mirror.customers import ensure_customer
from dashboard.database import db
from dashboard.jobs.prices import settle_prices
from dashboard.models import PriceMapping, Subscription
from dashboard.wiring import unit_of_work, wiring
from tests.catalogs import changed_catalog
from tests.platform import csrf_of, deliver_webhooks, log_in, new_tenant, set_up_stripe


def subscribe_by_hand(client: FlaskClient, currency: str = "eur") -> tuple[int, str]:
    """A subscription made in Stripe's own dashboard, at a price made there: the tenant and the price."""
    tenant_id, _ = new_tenant()
    with unit_of_work() as session:
        customer = ensure_customer(session, tenant_id, wiring().billing)
    v1 = wiring().stripe_client.v1
    product = v1.products.create({"name": "A deal of our own"})
    price = v1.prices.create(
        {"product": product.id, "currency": currency, "unit_amount": 7_700, "recurring": {"interval": "month"}}
    )
    method = v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    v1.subscriptions.create({"customer": customer, "items": [{"price": price.id}], "default_payment_method": method.id})
    deliver_webhooks(client)
    return tenant_id, price.id


def say(browser: FlaskClient, **form: str) -> TestResponse:
    """Send the form of the page."""
    token = csrf_of(browser.get("/staff/prices"))
    return browser.post("/staff/prices", data={"csrf_token": token, **form})


def plan_of(tenant_id: int) -> str | None:
    db.session.rollback()
    return db.session.scalars(select(Subscription.plan).where(Subscription.tenant_id == tenant_id)).one()


def test_a_subscription_at_an_unknown_price_is_shown_to_staff_and_is_not_free(app: Flask, client: FlaskClient) -> None:
    set_up_stripe()
    tenant_id, price_id = subscribe_by_hand(client)
    page = log_in(app, staff=True).get("/staff/prices").text
    assert price_id in page
    assert f'href="/staff/tenants/{tenant_id}"' in page
    plans = log_in(app, tenant_id).get(f"/tenants/{tenant_id}/plans").text
    assert "Other plan: active" in plans
    assert "Your plan" not in plans
    assert "Other plan" in log_in(app, tenant_id).get(f"/tenants/{tenant_id}").text
    usage = log_in(app, tenant_id).get(f"/tenants/{tenant_id}/usage").text
    assert "nothing included" not in usage


def test_saying_what_it_means_gives_the_plan_at_once(app: Flask, client: FlaskClient) -> None:
    set_up_stripe()
    tenant_id, price_id = subscribe_by_hand(client)
    browser = log_in(app, staff=True)
    answer = say(browser, price_id=price_id, plan="professional", interval="monthly")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/staff/prices")
    assert plan_of(tenant_id) == "professional"
    page = browser.get("/staff/prices").text
    assert f"{price_id} means Professional, monthly now. 1 subscription has that plan." in page
    assert "Every subscription is at a price that means a plan." in page
    mapping = db.session.scalars(select(PriceMapping)).one()
    assert mapping.mapped_by.endswith("@tenant.example")
    assert "Professional: active" in log_in(app, tenant_id).get(f"/tenants/{tenant_id}/plans").text


def test_the_command_does_the_same(app: Flask, client: FlaskClient) -> None:
    set_up_stripe()
    tenant_id, price_id = subscribe_by_hand(client)
    words = ["stripe", "map-price", price_id, "enterprise", "yearly"]
    result = app.test_cli_runner().invoke(args=words)
    assert result.output == f"{price_id} means enterprise, yearly. Subscriptions that have their plan now: 1\n"
    assert plan_of(tenant_id) == "enterprise"
    words[3] = "gold"
    refused = app.test_cli_runner().invoke(args=words)
    assert (refused.exit_code, refused.output) == (
        1,
        "Error: plan: must be one of free, starter, professional, enterprise\n",
    )


def test_the_sweep_settles_what_was_cut_short(app: Flask, client: FlaskClient) -> None:
    tenant_id, price_id = subscribe_by_hand(client)
    with unit_of_work() as session:
        session.add(
            PriceMapping(
                price_id=price_id,
                plan="starter",
                interval="monthly",
                mapped_by="nobody",
                mapped_at=wiring().clock.now(),
            )
        )
    assert settle_prices() == 1
    assert plan_of(tenant_id) == "starter"
    assert settle_prices() == 0


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"price_id": "", "plan": "starter", "interval": "monthly"}, "price_id: must be the id of a price"),
        ({"price_id": "price_1", "plan": "", "interval": "monthly"}, "plan: must be one of free, starter"),
        ({"price_id": "price_1", "plan": "starter"}, "interval: must be one of monthly, yearly"),
    ],
)
def test_what_makes_no_sense_is_told_on_the_page(app: Flask, form: dict[str, str], words: str) -> None:
    browser = log_in(app, staff=True)
    # Without a subscription there is no form on the page: the token is that of the way out.
    answer = say(browser, **form)
    assert answer.status_code == 422
    assert words in answer.text
    assert db.session.scalars(select(PriceMapping)).all() == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_page_is_for_staff(app: Flask, client: FlaskClient, method: str) -> None:
    tenant_id, _ = new_tenant()
    assert client.open("/staff/prices", method="GET").status_code == 303
    browser = log_in(app, tenant_id)
    token = csrf_of(browser.get(f"/tenants/{tenant_id}/usage"))
    data = {"csrf_token": token} if method == "POST" else None
    assert browser.open("/staff/prices", method=method, data=data).status_code == 404


def open_portal(customer: str, key: str) -> None:
    back = "https://billing.example.com"
    wiring().billing.open_portal(customer_id=customer, return_url=back, flow=None, subscription_id=None, key=key)


def test_the_portal_takes_the_configuration_of_the_set_up(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    with unit_of_work() as session:
        customer = ensure_customer(session, tenant_id, wiring().billing)
    open_portal(customer, "first")
    set_up_stripe()
    listed = wiring().stripe_client.v1.billing_portal.configurations.list().data
    made = [each for each in listed if each.metadata and each.metadata.to_dict() == {"managed_by": "countinghouse"}]
    assert len(made) == 1
    open_portal(customer, "second")
    features = made[0].features
    assert features.payment_method_update.enabled
    assert features.subscription_cancel.mode == "at_period_end"
    assert not features.subscription_update.enabled


def test_the_plans_page_shows_what_the_file_says_with_every_tier(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    tiers = [{"up_to": 10_000, "rate": 2}, {"rate": 1}]
    catalogue = changed_catalog(
        lambda values: values["plans"]["starter"]["usage"].update(SMS_SENT={"included": 100, "tiers": tiers})
    )
    monkeypatch.setattr("dashboard.billing.plans.plans._Process.catalog", catalogue)
    set_up_stripe()
    tenant_id, _ = new_tenant()
    page = log_in(app, tenant_id).get(f"/tenants/{tenant_id}/plans").text
    assert "then $0.02 a segment, $0.01 beyond 10,000" in page
    assert catalogue.plans["starter"].description in page
    assert catalogue.plans["starter"].highlights[0] in page
