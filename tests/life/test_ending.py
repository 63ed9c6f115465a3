"""Ending a subscription with its period or now, taking that back, pausing and resuming."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboard.database import db
from tests.life.conftest import Buyer
from tests.sandbox.shop import DAY, FAILS_LATER


def test_an_end_with_the_period_can_be_taken_back(buyer: Buyer) -> None:
    buyer.buy()
    seen = buyer.do("subscription/cancel", {"when": "period_end"})
    assert seen["cancel_at"] == seen["current_period_end"]
    assert buyer.do("subscription/cancel", {"when": "period_end"})["cancel_at"] == seen["cancel_at"]
    assert buyer.call("POST", "subscription/change", {"plan": "enterprise", "interval": "monthly"}).status_code == 409
    assert "Take the cancellation back" in buyer.page("subscription")
    assert buyer.do("subscription/resume")["cancel_at"] is None
    row = buyer.row()
    assert row is not None
    buyer.hear()
    buyer.advance_to(row.current_period_end)
    assert buyer.see()["status"] == "active"


def test_an_end_with_the_period_bills_the_usage_until_then(buyer: Buyer) -> None:
    """150 texts, 100 included: 120."""
    buyer.buy()
    buyer.do("subscription/cancel", {"when": "period_end"})
    buyer.use(150)
    buyer.call("POST", "usage/sync")
    buyer.hear()
    row = buyer.row()
    assert row is not None
    buyer.advance_to(row.current_period_end)
    seen = buyer.see()
    assert (seen["plan"], seen["id"]) == ("free", None)
    assert buyer.call("GET", "invoices?limit=1").json["invoices"][0]["total"] == 120
    assert buyer.call("POST", "subscription/resume").status_code == 409


def test_a_yearly_plan_ends_with_its_year_not_with_the_month(buyer: Buyer) -> None:
    buyer.buy("starter", "yearly")
    seen = buyer.do("subscription/cancel", {"when": "period_end"})
    assert seen["cancel_at"] == seen["renews_at"]
    assert seen["cancel_at"][:10] == "2028-01-01"


def test_an_end_now_bills_usage_at_once_as_the_page_said(buyer: Buyer) -> None:
    buyer.buy()
    buyer.use(150)
    assert "$1.20" in buyer.page("subscription/cancel")
    assert "has ended" in buyer.post("subscription/cancel", when="now").text
    assert buyer.see()["plan"] == "free"
    buyer.hear()
    newest = buyer.call("GET", "invoices?limit=1").json["invoices"][0]
    assert (newest["status"], newest["total"]) == ("paid", 120)
    buyer.buy("professional")
    assert buyer.see()["plan"] == "professional"


def test_ending_at_once_from_two_tabs_ends_it_once(buyer: Buyer) -> None:
    buyer.buy()

    def end(_: int) -> int:
        return buyer.call("POST", "subscription/cancel", {"when": "now"}).status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(end, range(2))) == [200, 409]


def test_an_end_forgets_a_scheduled_change(buyer: Buyer) -> None:
    buyer.buy("professional")
    buyer.do("subscription/change", {"plan": "starter", "interval": "monthly"})
    seen = buyer.do("subscription/cancel", {"when": "period_end"})
    assert seen["scheduled_change"] is None
    assert seen["cancel_at"] is not None


def test_a_pause_bills_usage_credits_the_rest_and_a_resumption_is_charged(buyer: Buyer) -> None:
    buyer.buy()
    buyer.use(150)
    buyer.sandbox.advance(advance_by=10 * DAY)
    assert "is paused" in buyer.post("subscription/pause").text
    seen = buyer.see()
    assert (seen["plan"], seen["status"]) == ("free", "paused")
    assert buyer.do("subscription/pause")["status"] == "paused"
    assert "Resume and pay" in buyer.page("subscription")
    assert buyer.call("POST", "checkout", {"plan": "starter"}).status_code == 409
    buyer.hear()
    newest = buyer.call("GET", "invoices?limit=1").json["invoices"][0]
    assert newest["total"] < 0
    buyer.sandbox.advance(advance_by=5 * DAY)
    buyer.hear()
    seen = buyer.do("subscription/resume")
    assert (seen["plan"], seen["status"]) == ("starter", "active")
    assert seen["current_period_start"][:10] == "2027-01-16"
    buyer.hear()
    assert buyer.see()["status"] == "active"


def test_a_resumption_that_is_not_paid_stays_paused_with_something_to_do(buyer: Buyer) -> None:
    buyer.buy("professional")
    buyer.sandbox.advance(advance_by=10 * DAY)
    buyer.do("subscription/pause")
    buyer.use_card(FAILS_LATER)
    buyer.sandbox.advance(advance_by=DAY)
    seen = buyer.do("subscription/resume")
    buyer.hear()
    assert seen["status"] == "paused"
    assert 0 < buyer.see()["payment_due"]["amount_remaining"] < 9_900  # what is left of the credit pays a part
    assert "Pay now" in buyer.page("subscription")


def test_what_cannot_be_done_says_why(buyer: Buyer) -> None:
    for path, body in [("cancel", {"when": "now"}), ("pause", None), ("resume", None)]:
        refused = buyer.call("POST", f"subscription/{path}", body)
        assert (refused.status_code, "Choose a plan first" in refused.json["detail"]) == (409, True)
    buyer.buy("professional")
    assert "neither paused nor about to end" in buyer.call("POST", "subscription/resume").json["detail"]
    buyer.do("subscription/change", {"plan": "starter", "interval": "monthly"})
    assert "Keep your plan first" in buyer.call("POST", "subscription/pause").json["detail"]
    refused = buyer.call("POST", "subscription/cancel", {"when": "tomorrow"})
    assert (refused.status_code, refused.json["field"]) == (422, "when")


@pytest.mark.parametrize("when", ["period_end", "now"])
def test_a_form_sent_twice_does_it_once_and_says_the_same(buyer: Buyer, when: str) -> None:
    buyer.buy()
    said = [buyer.post("subscription/cancel", when=when, request_key="page-1").text for _ in range(2)]
    words = "has ended" if when == "now" else "ends with the paid period"
    assert all(words in each for each in said)
    db.session.rollback()
