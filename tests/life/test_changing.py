"""Changing the plan: an upgrade now at exactly the previewed price, a downgrade later, and changing one's mind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from dashboard.billing.invoices.invoice_reports import find_invoice
from dashboard.billing.ledger.rollups import verify_rollups
from dashboard.billing.subscriptions.plan_changes import Choice, takes_effect_now
from dashboard.database import db
from dashboard.models import BillingPeriod, CatalogPrice
from tests.life.conftest import Buyer
from tests.sandbox.shop import DAY, FAILS_LATER, VISA

PRO = {"plan": "professional", "interval": "monthly"}
STARTER = {"plan": "starter", "interval": "monthly"}


def stretches(buyer: Buyer) -> list[tuple[str | None, datetime, datetime]]:
    db.session.rollback()
    rows = db.session.scalars(
        select(BillingPeriod).where(BillingPeriod.tenant_id == buyer.tenant_id).order_by(BillingPeriod.starts_at)
    )
    return [(row.plan, row.starts_at, row.ends_at) for row in rows]


@pytest.mark.parametrize(
    ("before", "after", "now"),
    [
        (("starter", "monthly"), ("professional", "monthly"), True),
        (("starter", "yearly"), ("professional", "monthly"), True),
        (("starter", "monthly"), ("starter", "yearly"), True),
        (("starter", "yearly"), ("starter", "monthly"), False),
        (("professional", "monthly"), ("starter", "yearly"), False),
        (("enterprise", "yearly"), ("professional", "yearly"), False),
        ((None, None), ("starter", "monthly"), True),
    ],
)
def test_more_happens_now_and_less_when_the_paid_period_ends(
    before: tuple[str | None, str | None], after: tuple[str, str], *, now: bool
) -> None:
    assert takes_effect_now(Choice(*before), Choice(*after), in_trial=False) is now
    assert takes_effect_now(Choice(*before), Choice(*after), in_trial=True)


def test_an_upgrade_charges_what_was_previewed_and_bills_usage_so_far_at_the_old_price(buyer: Buyer) -> None:
    """150 texts on Starter (100 included, 2.4 each): 120. Then 610 on Professional (500 included, 1.9 each): 209."""
    buyer.buy()
    buyer.use(150)
    buyer.sandbox.advance(advance_by=10 * DAY)
    buyer.use(10)  # in the hour of the change: at the new price
    preview = buyer.do("subscription/preview", PRO)
    assert preview["takes_effect"] == "now"
    assert sorted(line["amount"] for line in preview["invoice"]["lines"] if line["amount"])[1] == 120
    made = buyer.do("subscription/change", PRO | {"proration_date": preview["proration_date"]})
    assert made["outcome"] == "changed"
    buyer.hear()
    assert buyer.see()["plan"] == "professional"
    newest = buyer.call("GET", "invoices?limit=1").json["invoices"][0]
    assert (newest["status"], newest["total"]) == ("paid", preview["invoice"]["total"])
    at = datetime.fromisoformat(preview["proration_date"])
    (first, second) = stretches(buyer)
    assert (first[0], first[2], second[0], second[1]) == ("starter", at, "professional", at)
    buyer.use(600)
    buyer.call("POST", "usage/sync")
    buyer.hear()
    buyer.advance_to(second[2])
    renewal = buyer.call("GET", "invoices?limit=1").json["invoices"][0]
    assert renewal["total"] == 9_900 + 209
    for invoice in (newest, renewal):
        detail = find_invoice(db.session(), buyer.tenant_id, invoice["id"])
        assert all(group.matches is not False for group in detail.groups)
    assert verify_rollups(db.session()) == []
    assert buyer.row() is not None


def test_two_confirmations_at_once_charge_once(buyer: Buyer) -> None:
    buyer.buy()
    buyer.sandbox.advance(advance_by=DAY)

    def confirm(number: int) -> str:
        return str(buyer.do("subscription/change", PRO, key="one" if number < 2 else f"key-{number}")["outcome"])

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(confirm, range(4)))
    assert outcomes[0] == outcomes[1]
    assert set(outcomes) <= {"changed", "unchanged"}
    buyer.hear()
    assert len(buyer.call("GET", "invoices").json["invoices"]) == 2
    assert len(buyer.subscriptions()) == 1


def test_an_upgrade_whose_payment_fails_waits_and_counts_once_it_is_paid(buyer: Buyer) -> None:
    buyer.buy()
    buyer.use_card(FAILS_LATER)
    buyer.sandbox.advance(advance_by=DAY)
    assert buyer.do("subscription/change", PRO)["outcome"] == "waiting"
    seen = buyer.see()
    assert (seen["plan"], seen["status"]) == ("starter", "active")
    assert seen["payment_due"]["pay_url"].startswith(buyer.sandbox.stripe_base)
    assert "Your change of plan waits for this payment" in buyer.page("subscription")
    assert buyer.call("POST", "subscription/change", PRO).status_code == 409
    method = buyer.use_card(VISA)
    buyer.stripe.v1.invoices.pay(seen["payment_due"]["invoice_id"], {"payment_method": method})
    buyer.hear()
    seen = buyer.see()
    assert (seen["plan"], seen["payment_due"], seen["waiting_until"]) == ("professional", None, None)


def test_an_upgrade_that_is_never_paid_lapses_without_a_trace(buyer: Buyer) -> None:
    buyer.buy()
    buyer.use(150)
    buyer.use_card(FAILS_LATER)
    buyer.sandbox.advance(advance_by=DAY)
    buyer.do("subscription/change", PRO)
    buyer.hear()
    buyer.sandbox.advance(advance_by=24 * 3_600)
    buyer.hear()
    seen = buyer.see()
    assert (seen["plan"], seen["waiting_until"], seen["payment_due"]) == ("starter", None, None)
    assert [plan for plan, _, _ in stretches(buyer)] == ["starter"]


def test_a_downgrade_waits_for_the_end_of_the_period_and_names_what_is_lost(buyer: Buyer) -> None:
    buyer.buy("professional")
    preview = buyer.do("subscription/preview", STARTER)
    assert (preview["takes_effect"], preview["invoice"]) == ("period_end", None)
    assert {"usage_type": "SMS_SENT", "before": 500, "after": 100} in preview["losses"]
    row = buyer.row()
    assert row is not None
    end = row.current_period_end
    assert datetime.fromisoformat(preview["effective_at"]) == end
    assert buyer.do("subscription/change", STARTER)["outcome"] == "scheduled"
    seen = buyer.see()
    assert seen["plan"] == "professional"
    assert (seen["scheduled_change"]["plan"], seen["scheduled_change"]["interval"]) == ("starter", "monthly")
    buyer.hear()
    buyer.advance_to(end)
    seen = buyer.see()
    assert (seen["plan"], seen["scheduled_change"]) == ("starter", None)
    assert buyer.call("GET", "invoices?limit=1").json["invoices"][0]["total"] == 2_900
    buyer.sandbox.advance(advance_by=2 * DAY)
    buyer.hear()
    assert buyer.see()["plan"] == "starter"


def test_a_scheduled_change_can_be_replaced_and_taken_back(buyer: Buyer) -> None:
    buyer.buy("enterprise")
    buyer.do("subscription/change", STARTER)
    buyer.do("subscription/change", PRO)
    assert buyer.see()["scheduled_change"]["plan"] == "professional"
    page = buyer.page("subscription")
    assert "Keep my plan" in page
    assert "Professional, monthly, on" in page
    assert "You keep your plan" in buyer.post("plans/keep").text
    row = buyer.row()
    assert row is not None
    buyer.hear()
    buyer.advance_to(row.current_period_end)
    assert buyer.see()["plan"] == "enterprise"


def test_an_upgrade_replaces_a_scheduled_downgrade(buyer: Buyer) -> None:
    buyer.buy("professional")
    buyer.do("subscription/change", STARTER)
    assert buyer.do("subscription/change", {"plan": "enterprise", "interval": "monthly"})["outcome"] == "changed"
    seen = buyer.see()
    assert (seen["plan"], seen["scheduled_change"]) == ("enterprise", None)


def test_a_monthly_plan_becomes_yearly_now_and_its_months_stay(buyer: Buyer) -> None:
    buyer.buy()
    before = buyer.see()
    buyer.sandbox.advance(advance_by=10 * DAY)
    preview = buyer.do("subscription/preview", {"plan": "starter", "interval": "yearly"})
    change = {"plan": "starter", "interval": "yearly", "proration_date": preview["proration_date"]}
    assert buyer.do("subscription/change", change)["outcome"] == "changed"
    buyer.hear()
    after = buyer.see()
    assert (after["interval"], after["current_period_end"]) == ("yearly", before["current_period_end"])
    assert after["renews_at"][:10] == "2028-01-01"
    newest = buyer.call("GET", "invoices?limit=1").json["invoices"][0]
    assert newest["total"] == preview["invoice"]["total"]
    assert 25_000 < newest["total"] < 29_000


def test_a_yearly_plan_becomes_monthly_when_its_year_is_over(buyer: Buyer) -> None:
    buyer.buy("starter", "yearly")
    scheduled = buyer.do("subscription/change", STARTER)
    assert (scheduled["outcome"], scheduled["effective_at"][:10]) == ("scheduled", "2028-01-01")
    for _ in range(12):
        row = buyer.row()
        assert row is not None
        buyer.advance_to(row.current_period_end)
    seen = buyer.see()
    assert (seen["plan"], seen["interval"]) == ("starter", "monthly")
    assert buyer.call("GET", "invoices?limit=1").json["invoices"][0]["total"] == 2_900


def test_a_price_archived_since_is_not_on_sale(buyer: Buyer) -> None:
    buyer.buy()
    price = db.session.scalars(
        select(CatalogPrice.price_id).where(CatalogPrice.plan == "professional", CatalogPrice.unit_amount == 9_900)
    ).one()
    buyer.stripe.v1.prices.update(price, {"active": False})
    for action in ("preview", "change"):
        refused = buyer.call("POST", f"subscription/{action}", PRO)
        assert (refused.status_code, refused.json["field"]) == (422, "plan")
    assert "not on sale" in buyer.browser.get(
        f"/tenants/{buyer.tenant_id}/plans/change?plan=professional", follow_redirects=True
    ).get_data(as_text=True)


def test_bad_input_is_named_and_changes_nothing(buyer: Buyer) -> None:
    assert buyer.call("POST", "subscription/change", PRO).status_code == 409
    buyer.buy()
    old = (buyer.now() - timedelta(hours=9)).isoformat()
    for more, field in [
        ({"plan": "free"}, "plan"),
        ({"interval": "weekly"}, "interval"),
        ({"proration_date": "soon"}, "proration_date"),
        ({"proration_date": 7}, "proration_date"),
        ({"proration_date": old}, "proration_date"),
        ({"proration_date": (buyer.now() + timedelta(hours=2)).isoformat()}, "proration_date"),
        ({"quantity": 2}, "quantity"),
    ]:
        refused = buyer.call("POST", "subscription/change", PRO | more)
        assert (refused.status_code, refused.json["field"]) == (422, field), more
    assert buyer.see()["plan"] == "starter"
