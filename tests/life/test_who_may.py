"""Who may act on a tenant's plan, what others see, and a second subscription that was made at Stripe."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.billing.tenants import api_keys
from dashboard.models import Role
from dashboard.wiring import now, unit_of_work
from tests.life.conftest import Buyer
from tests.platform import bearer, csrf_of, log_in, new_tenant, view_as_staff
from tests.sandbox.shop import VISA

ACTIONS = [
    "plans/checkout",
    "plans/change",
    "plans/keep",
    "subscription/cancel",
    "subscription/pause",
    "subscription/resume",
    "payment-methods/pm_1/default",
    "payment-methods/pm_1/remove",
    "portal",
]
QUESTIONS = ["plans/change?plan=professional", "subscription/cancel", "subscription/pause"]
CALLS = [
    ("POST", "checkout"),
    ("POST", "portal"),
    ("POST", "subscription/change"),
    ("POST", "subscription/cancel"),
    ("POST", "subscription/resume"),
    ("POST", "subscription/pause"),
    ("POST", "payment-methods/pm_1/default"),
    ("DELETE", "payment-methods/pm_1"),
]
READS = ["plans", "subscription", "invoices", "invoices/upcoming", "invoices/in_1", "payment-methods"]


def refuses(browser: FlaskClient, tenant_id: int, status: int, token: str) -> None:
    for action in ACTIONS:
        answer = browser.post(f"/tenants/{tenant_id}/{action}", data={"csrf_token": token, "when": "now"})
        assert answer.status_code == status, action
    for question in QUESTIONS:
        assert browser.get(f"/tenants/{tenant_id}/{question}").status_code == status, question


@pytest.mark.parametrize("role", ["viewer", "staff"])
def test_viewers_and_staff_see_but_cannot_act(buyer: Buyer, role: str) -> None:
    buyer.buy("professional")
    buyer.do("subscription/change", {"plan": "starter", "interval": "monthly"})
    tenant_id = buyer.tenant_id
    browser = log_in(buyer.app, tenant_id, Role.VIEWER) if role == "viewer" else view_as_staff(buyer.app, tenant_id)
    for page in ("plans", "subscription", "payment-methods"):
        answer = browser.get(f"/tenants/{buyer.tenant_id}/{page}")
        assert answer.status_code == 200
        for label in ("Keep my plan", "Cancel subscription", "Make default", "Remove", "Change to", "Choose "):
            assert label not in answer.text, (page, label)
    refuses(browser, buyer.tenant_id, 403, csrf_of(browser.get(f"/tenants/{buyer.tenant_id}/plans")))
    assert buyer.see()["status"] == "active"


def test_another_tenants_owner_finds_nothing(buyer: Buyer) -> None:
    buyer.buy("professional")
    stranger, _ = new_tenant()
    browser = log_in(buyer.app, stranger)
    refuses(browser, buyer.tenant_id, 404, csrf_of(browser.get(f"/tenants/{stranger}/plans")))
    for page in ("plans", "subscription", "payment-methods"):
        assert browser.get(f"/tenants/{buyer.tenant_id}/{page}").status_code == 404


def test_a_form_without_its_token_does_nothing(buyer: Buyer) -> None:
    buyer.buy()
    for action in ACTIONS:
        assert buyer.browser.post(f"/tenants/{buyer.tenant_id}/{action}").status_code == 400, action
    assert buyer.see()["status"] == "active"


def test_each_call_needs_a_key_with_its_scope(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    with unit_of_work() as session:
        keys = {
            scope: api_keys.create_api_key(session, tenant_id, scope, now(), scopes=[scope])
            for scope in ("billing:read", "billing:manage", "usage:read")
        }
    client = app.test_client()
    for method, path in CALLS:
        assert client.open(f"/api/billing/{path}", method=method).status_code == 401, path
        answer = client.open(f"/api/billing/{path}", method=method, headers=bearer(keys["billing:read"]))
        assert (answer.status_code, answer.json["scope"]) == (403, "billing:manage"), path
    for path in READS:
        assert client.get(f"/api/billing/{path}").status_code == 401, path
        answer = client.get(f"/api/billing/{path}", headers=bearer(keys["usage:read"]))
        assert (answer.status_code, answer.json["scope"]) == (403, "billing:read"), path
    assert client.get("/api/billing/plans", headers=bearer(keys["billing:read"])).status_code == 200


def second_subscription(buyer: Buyer) -> str:
    """As somebody makes it on Stripe's own pages."""
    buyer.use_card(VISA)
    price = buyer.stripe.v1.prices.list({"lookup_keys": ["enterprise_monthly"]}).data[0].id
    made = buyer.stripe.v1.subscriptions.create({"customer": buyer.customer(), "items": [{"price": price}]})
    buyer.hear()
    return made.id


def test_of_two_subscriptions_the_newest_paid_one_counts_and_all_are_shown(buyer: Buyer) -> None:
    first = buyer.buy()
    buyer.sandbox.advance(advance_by=60)
    second = second_subscription(buyer)
    seen = buyer.see()
    assert (seen["plan"], seen["id"], seen["other_subscriptions"]) == ("enterprise", second, [first])
    for browser in (buyer.browser, view_as_staff(buyer.app, buyer.tenant_id)):
        page = browser.get(f"/tenants/{buyer.tenant_id}/subscription").text
        assert "There is more than one subscription" in page
        assert first in page
    listed = log_in(buyer.app, staff=True).get("/staff/subscriptions").text
    assert first in listed
    assert second in listed
    buyer.do("subscription/cancel", {"when": "now"})
    seen = buyer.see()
    assert (seen["plan"], seen["id"], seen["other_subscriptions"]) == ("starter", first, [])
    assert "No tenant has more than one" in log_in(buyer.app, staff=True).get("/staff/subscriptions").text
    assert buyer.browser.get("/staff/subscriptions").status_code == 404


def test_a_second_subscription_that_is_overdue_does_not_count(buyer: Buyer) -> None:
    first = buyer.buy()
    buyer.sandbox.advance(advance_by=60)
    price = buyer.stripe.v1.prices.list({"lookup_keys": ["enterprise_monthly"]}).data[0].id
    made = buyer.stripe.v1.subscriptions.create(
        {"customer": buyer.customer(), "items": [{"price": price}], "trial_period_days": 3}
    )
    for method in buyer.stripe.v1.customers.payment_methods.list(buyer.customer()).data:
        buyer.stripe.v1.payment_methods.detach(method.id)
    buyer.sandbox.advance(advance_by=3 * 86_400 + 7_200)
    buyer.hear()
    assert buyer.stripe.v1.subscriptions.retrieve(made.id).status == "past_due"
    seen = buyer.see()
    assert (seen["plan"], seen["id"], seen["other_subscriptions"]) == ("starter", first, [made.id])
