"""Buying a plan: hosted checkout by the month and by the year, once, whatever is clicked and however often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from sqlalchemy import select

from dashboard.billing.plans import plans
from dashboard.billing.subscriptions.checkouts import apply_checkout
from dashboard.database import db
from dashboard.models import CatalogPrice, CheckoutSession, Invoice
from dashboard.wiring import now, unit_of_work, wiring
from tests.catalogs import changed_catalog
from tests.life.conftest import DECLINED_LATER, Buyer
from tests.platform import pay_on


def test_a_monthly_plan_is_bought_on_the_hosted_page(buyer: Buyer) -> None:
    started = buyer.do("checkout", {"plan": "professional", "interval": "monthly"})
    session = buyer.stripe.v1.checkout.sessions.retrieve(started["id"])
    assert (session.mode, session.allow_promotion_codes) == ("subscription", True)
    assert session.tax_id_collection is not None
    assert session.tax_id_collection.enabled
    assert session.billing_address_collection == "required"
    pay_on(started["url"], name="Ada Ltd", country="GB")
    buyer.hear()
    seen = buyer.see()
    assert (seen["plan"], seen["interval"], seen["status"]) == ("professional", "monthly", "active")
    customer = buyer.stripe.v1.customers.retrieve(buyer.customer())
    assert customer.address is not None
    assert (customer.name, customer.address.country) == ("Ada Ltd", "GB")


def test_a_yearly_plan_keeps_a_card_then_begins_as_one_subscription_of_mixed_intervals(buyer: Buyer) -> None:
    started = buyer.do("checkout", {"plan": "starter", "interval": "yearly"})
    assert buyer.stripe.v1.checkout.sessions.retrieve(started["id"]).mode == "setup"
    pay_on(started["url"])
    assert buyer.subscriptions() == []
    buyer.hear()
    (made,) = buyer.subscriptions()
    intervals = {item.price.recurring.interval for item in made["items"].data if item.price.recurring}
    assert intervals == {"year", "month"}
    seen = buyer.see()
    assert (seen["plan"], seen["interval"], seen["status"]) == ("starter", "yearly", "active")
    assert seen["current_period_end"].startswith("2027-02-01T00:30:")
    assert seen["renews_at"].startswith("2028-01-01T00:30:")
    paid = db.session.scalars(select(Invoice).where(Invoice.tenant_id == buyer.tenant_id)).one()
    assert (paid.status, paid.total) == ("paid", 29_000)


def test_usage_of_a_yearly_plan_is_billed_by_the_month(buyer: Buyer) -> None:
    """150 texts, 100 included: 50 × 2.4 = 120."""
    buyer.buy("starter", "yearly")
    buyer.use(150)
    buyer.call("POST", "usage/sync")
    buyer.hear()
    row = buyer.row()
    assert row is not None
    buyer.advance_to(row.current_period_end)
    newest = buyer.call("GET", "invoices?limit=1").json["invoices"][0]
    assert (newest["status"], newest["total"]) == ("paid", 120)


def test_a_replayed_or_doubled_webhook_makes_no_second_yearly_subscription(buyer: Buyer) -> None:
    started = buyer.do("checkout", {"plan": "starter", "interval": "yearly"})
    pay_on(started["url"])

    def work(_: int) -> bool:
        with buyer.app.app_context(), unit_of_work() as session:
            found = wiring().billing.read_checkout(started["id"])
            assert found is not None
            return apply_checkout(session, wiring().billing, wiring().pins, found, now())

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, range(2))) == [True, True]
    buyer.hear()
    assert len(buyer.subscriptions()) == 1
    with unit_of_work() as session:  # as if the database had lost what it knew of it
        session.get_one(CheckoutSession, (buyer.tenant_id, started["id"])).subscription_id = None
    assert work(0)
    assert len(buyer.subscriptions()) == 1


def test_a_double_click_and_a_second_tab_lead_to_one_checkout(buyer: Buyer) -> None:
    def click(_: int) -> str:
        return str(buyer.do("checkout", {"plan": "starter", "interval": "monthly"})["id"])

    with ThreadPoolExecutor(2) as pool:
        ids = set(pool.map(click, range(2)))
    assert len(ids) == 1
    assert click(0) in ids
    assert len(buyer.stripe.v1.checkout.sessions.list({"customer": buyer.customer()}).data) == 1


def test_another_choice_closes_the_checkout_that_was_open(buyer: Buyer) -> None:
    first = buyer.do("checkout", {"plan": "starter", "interval": "monthly"})
    second = buyer.do("checkout", {"plan": "starter", "interval": "yearly"})
    assert first["id"] != second["id"]
    assert buyer.stripe.v1.checkout.sessions.retrieve(first["id"]).status == "expired"
    assert 'id="pay"' not in requests.get(first["url"], timeout=10).text


@pytest.mark.parametrize("interval", ["monthly", "yearly"])
def test_a_finished_checkout_leads_to_changing_the_plan_before_any_webhook_came(buyer: Buyer, interval: str) -> None:
    started = buyer.do("checkout", {"plan": "starter", "interval": interval})
    pay_on(started["url"])
    again = buyer.call("POST", "checkout", {"plan": "professional", "interval": "monthly"})
    assert again.status_code == 409
    assert "Change its plan" in again.json["detail"]
    assert len(buyer.subscriptions()) == 1
    assert buyer.see()["plan"] == "starter"


def test_a_yearly_plan_whose_card_fails_waits_for_its_payment_and_can_be_bought_anew(buyer: Buyer) -> None:
    started = buyer.do("checkout", {"plan": "starter", "interval": "yearly"})
    pay_on(started["url"], number=DECLINED_LATER)
    buyer.hear()
    seen = buyer.see()
    assert (seen["plan"], seen["status"], seen["payment_due"]["amount_remaining"]) == ("free", "incomplete", 29_000)
    assert "The payment did not go through" in buyer.page(f"plans/checkout/return?session_id={started['id']}")
    assert "Pay now" in buyer.page("plans")
    buyer.buy("starter", "yearly")
    assert buyer.see()["status"] == "active"
    assert [each.status for each in buyer.subscriptions()].count("active") == 1


def test_a_first_purchase_begins_with_the_plans_trial(buyer: Buyer, monkeypatch: pytest.MonkeyPatch) -> None:
    with_trial = changed_catalog(lambda values: values["plans"]["starter"].update(trial_days=14))
    monkeypatch.setattr(plans._Process, "catalog", with_trial)
    started = buyer.do("checkout", {"plan": "starter", "interval": "monthly"})
    assert started["trial_days"] == 14
    pay_on(started["url"])
    buyer.hear()
    seen = buyer.see()
    assert (seen["plan"], seen["status"], seen["trial_end"][:16]) == ("starter", "trialing", "2027-01-15T00:30")
    assert "Free of charge until Jan 15, 2027" in buyer.page("plans")
    buyer.do("subscription/cancel", {"when": "now"})
    assert buyer.do("checkout", {"plan": "starter", "interval": "monthly"})["trial_days"] == 0


def test_a_price_archived_at_stripe_is_not_on_sale(buyer: Buyer) -> None:
    price = db.session.scalars(
        select(CatalogPrice.price_id).where(CatalogPrice.plan == "starter", CatalogPrice.unit_amount == 2_900)
    ).one()
    buyer.stripe.v1.prices.update(price, {"active": False})
    refused = buyer.call("POST", "checkout", {"plan": "starter", "interval": "monthly"})
    assert (refused.status_code, refused.json["field"]) == (422, "plan")
    assert "not on sale" in refused.json["detail"]
    assert "not on sale" in buyer.post("plans/checkout", plan="starter", interval="monthly").text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"plan": "gold"}, "plan"),
        ({"plan": "free"}, "plan"),
        ({"plan": "starter", "interval": "weekly"}, "interval"),
        ({"plan": "starter", "coupon": "x"}, "coupon"),
        ([], "body"),
    ],
)
def test_bad_input_is_named(buyer: Buyer, body: object, field: str) -> None:
    refused = buyer.call("POST", "checkout", body)
    assert (refused.status_code, refused.json["field"]) == (422, field)


def test_a_key_used_for_something_else_is_a_conflict(buyer: Buyer) -> None:
    first = buyer.do("checkout", {"plan": "starter"}, key="mine")
    assert buyer.do("checkout", {"plan": "starter"}, key="mine") == first
    assert buyer.call("POST", "checkout", {"plan": "professional"}, key="mine").status_code == 409
