"""A promotion code entered before the checkout: what it takes off, by page and by API, and what is refused."""

from __future__ import annotations

from sqlalchemy import select

from dashboard.database import db
from dashboard.models import Invoice
from tests.life.conftest import Buyer
from tests.platform import csrf_of, pay_on


def make_code(buyer: Buyer) -> None:
    """WELCOME takes a fifth off the first invoice."""
    v1 = buyer.stripe.v1
    coupon = v1.coupons.create({"percent_off": 20, "duration": "once"})
    v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "WELCOME"})


def totals(buyer: Buyer) -> list[int]:
    db.session.rollback()
    return list(db.session.scalars(select(Invoice.total).where(Invoice.tenant_id == buyer.tenant_id)))


def test_a_yearly_plan_is_bought_with_a_code(buyer: Buyer) -> None:
    make_code(buyer)
    choice = {"plan": "starter", "interval": "yearly"}
    plain = buyer.do("checkout", choice)
    reduced = buyer.do("checkout", {**choice, "promotion_code": "welcome"})
    assert reduced["id"] != plain["id"]
    assert buyer.do("checkout", {**choice, "promotion_code": "WELCOME"})["id"] == reduced["id"]
    pay_on(reduced["url"])
    buyer.hear()
    buyer.hear()
    assert len(buyer.subscriptions()) == 1
    assert totals(buyer) == [23_200]
    (code,) = buyer.stripe.v1.promotion_codes.list({"code": "Welcome"}).data
    assert code.times_redeemed == 1


def test_a_code_that_ends_before_the_plan_begins_charges_nothing_and_the_tenant_chooses_again(buyer: Buyer) -> None:
    make_code(buyer)
    choice = {"plan": "starter", "interval": "yearly"}
    started = buyer.do("checkout", {**choice, "promotion_code": "WELCOME"})
    pay_on(started["url"])
    (code,) = buyer.stripe.v1.promotion_codes.list({"code": "WELCOME"}).data
    buyer.stripe.v1.promotion_codes.update(code.id, {"active": False})
    buyer.hear()
    assert (buyer.subscriptions(), totals(buyer)) == ([], [])
    assert "Nothing was charged" in buyer.page(f"plans/checkout/return?session_id={started['id']}")
    assert buyer.do("checkout", choice)["id"] != started["id"]


def test_the_page_takes_a_code_and_says_what_is_wrong_with_one(buyer: Buyer) -> None:
    make_code(buyer)
    assert 'name="promotion_code"' in buyer.page("plans?interval=yearly")
    assert 'name="promotion_code"' not in buyer.page("plans?interval=monthly")
    form = {"plan": "starter", "interval": "yearly"}
    assert "Promotion code is unknown." in buyer.post("plans/checkout", **form, promotion_code="NOBODYS").text
    refused = buyer.call("POST", "checkout", {**form, "promotion_code": "NOBODYS"})
    assert (refused.status_code, refused.json["field"], refused.json["allowed"]) == (
        422,
        "promotion_code",
        "is unknown",
    )
    token = csrf_of(buyer.browser.get(f"/tenants/{buyer.tenant_id}/plans"))
    sent = {"csrf_token": token, **form, "promotion_code": " welcome "}
    answer = buyer.browser.post(f"/tenants/{buyer.tenant_id}/plans/checkout", data=sent)
    pay_on(answer.headers["Location"])
    buyer.hear()
    assert totals(buyer) == [23_200]


def test_a_monthly_checkout_begins_with_the_code_it_was_given(buyer: Buyer) -> None:
    make_code(buyer)
    started = buyer.do("checkout", {"plan": "starter", "interval": "monthly", "promotion_code": "WELCOME"})
    pay_on(started["url"])
    buyer.hear()
    assert totals(buyer) == [2_320]
