"""Paying: saved cards, a payment that fails and recovers, the hosted portal, invoices to read."""

from __future__ import annotations

import pytest

from tests.life.conftest import Buyer, new_buyer
from tests.sandbox.shop import FAILS_LATER, VISA


def test_a_failed_renewal_says_what_to_do_and_paying_it_mends_all(buyer: Buyer) -> None:
    buyer.buy()
    buyer.use_card(FAILS_LATER)
    row = buyer.row()
    assert row is not None
    buyer.advance_to(row.current_period_end)
    seen = buyer.see()
    assert (seen["plan"], seen["status"], seen["payment_due"]["amount_remaining"]) == ("starter", "past_due", 2_900)
    for page in ("plans", "subscription"):
        text = buyer.page(page)
        assert "$29.00 to pay" in text
        assert seen["payment_due"]["pay_url"] in text
        assert "Update card" in text
    refused = buyer.call("POST", "subscription/change", {"plan": "professional", "interval": "monthly"})
    assert (refused.status_code, "Pay the open invoice first" in refused.json["detail"]) == (409, True)
    assert "Pay the open invoice first" in buyer.page("plans")
    method = buyer.use_card(VISA)
    buyer.stripe.v1.invoices.pay(seen["payment_due"]["invoice_id"], {"payment_method": method})
    buyer.hear()
    seen = buyer.see()
    assert (seen["status"], seen["payment_due"]) == ("active", None)
    assert "to pay" not in buyer.page("plans")


def test_a_tenant_whose_payment_is_overdue_can_still_cancel(buyer: Buyer) -> None:
    buyer.buy()
    buyer.use_card(FAILS_LATER)
    row = buyer.row()
    assert row is not None
    buyer.advance_to(row.current_period_end)
    assert buyer.do("subscription/cancel", {"when": "now"})["plan"] == "free"


def test_cards_are_listed_made_the_default_and_removed(buyer: Buyer) -> None:
    assert buyer.call("GET", "payment-methods").json == {"payment_methods": []}
    assert "No card is saved" in buyer.page("payment-methods")
    buyer.buy("starter", "yearly")
    second = buyer.stripe.v1.payment_methods.attach("pm_card_mastercard", {"customer": buyer.customer()})
    listed = buyer.call("GET", "payment-methods").json["payment_methods"]
    assert [(each["brand"], each["is_default"]) for each in listed] == [("mastercard", False), ("visa", True)]
    first = listed[1]["id"]
    assert buyer.call("DELETE", f"payment-methods/{first}").status_code == 409
    assert "ending in" in buyer.page("payment-methods")
    assert buyer.do(f"payment-methods/{second.id}/default")["is_default"] is True
    (subscription,) = buyer.subscriptions()
    assert subscription.default_payment_method == second.id
    assert "is removed" in buyer.post(f"payment-methods/{first}/remove").text
    assert [each["id"] for each in buyer.call("GET", "payment-methods").json["payment_methods"]] == [second.id]
    assert "Make another one the default first" in buyer.post(f"payment-methods/{second.id}/remove").text


def test_the_card_of_a_checkout_is_the_default_until_another_is_made_it(buyer: Buyer) -> None:
    buyer.buy()
    (first,) = buyer.call("GET", "payment-methods").json["payment_methods"]
    assert first["is_default"] is True
    assert buyer.call("DELETE", f"payment-methods/{first['id']}").status_code == 409
    second = buyer.stripe.v1.payment_methods.attach("pm_card_mastercard", {"customer": buyer.customer()})
    answer = buyer.post(f"payment-methods/{second.id}/default", request_key="page-1")
    assert "Invoices are charged to Mastercard ending in" in answer.text


def test_another_tenants_card_and_invoice_are_not_there(buyer: Buyer) -> None:
    buyer.buy()
    other = new_buyer(buyer.app, buyer.sandbox)
    other.buy()
    theirs = other.call("GET", "payment-methods").json["payment_methods"][0]["id"]
    invoice = other.call("GET", "invoices").json["invoices"][0]["id"]
    assert buyer.call("POST", f"payment-methods/{theirs}/default").status_code == 404
    assert buyer.call("DELETE", f"payment-methods/{theirs}").status_code == 404
    assert buyer.post(f"payment-methods/{theirs}/remove").status_code == 404
    assert buyer.call("GET", f"invoices/{invoice}").status_code == 404
    assert len(other.call("GET", "payment-methods").json["payment_methods"]) == 1


@pytest.mark.parametrize("flow", [None, "payment_method_update", "subscription_cancel"])
def test_the_portal_opens_where_it_is_asked_to(buyer: Buyer, flow: str | None) -> None:
    refused = buyer.call("POST", "portal", {"flow": flow})
    assert refused.status_code == 409
    buyer.buy()
    url = buyer.do("portal", {"flow": flow} if flow else {})["url"]
    assert url.endswith(f"/flow/{flow}") if flow else "/flow/" not in url
    wrong = buyer.call("POST", "portal", {"flow": "party"})
    assert (wrong.status_code, wrong.json["field"]) == (422, "flow")


def test_a_cancellation_on_the_portal_shows_here(buyer: Buyer) -> None:
    subscription_id = buyer.buy()
    buyer.stripe.v1.subscriptions.update(subscription_id, {"cancel_at": "max_period_end"})
    buyer.hear()
    assert buyer.see()["cancel_at"] is not None
    assert buyer.call("POST", "portal", {"flow": "subscription_cancel"}).status_code == 409


def test_invoices_come_page_by_page_and_filtered(buyer: Buyer) -> None:
    buyer.buy()
    buyer.sandbox.advance(advance_by=86_400)
    for plan in ("professional", "enterprise"):
        buyer.do("subscription/change", {"plan": plan, "interval": "monthly"})
    buyer.hear()
    every = buyer.call("GET", "invoices").json
    assert (len(every["invoices"]), every["next_cursor"]) == (3, None)
    seen, cursor = [], ""
    for _ in range(3):
        page = buyer.call("GET", f"invoices?limit=1{cursor}").json
        seen += page["invoices"]
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == every["invoices"]
    assert page["next_cursor"] is None
    assert buyer.call("GET", "invoices?status=open").json["invoices"] == []
    assert len(buyer.call("GET", "invoices?from=2027-01-02").json["invoices"]) == 2
    assert len(buyer.call("GET", "invoices?to=2027-01-02").json["invoices"]) == 1
    one = buyer.call("GET", f"invoices/{seen[0]['id']}").json
    assert sum(line["amount"] for line in one["lines"]) == one["subtotal"]
    for query, field in [("cursor=abc", "cursor"), ("limit=0", "limit"), ("status=lost", "status"), ("from=x", "from")]:
        refused = buyer.call("GET", f"invoices?{query}")
        assert (refused.status_code, refused.json["field"]) == (422, field)


def test_the_next_invoice_can_be_seen_ahead(buyer: Buyer) -> None:
    """150 texts, 100 included: 120, beside the next month's 2,900."""
    assert buyer.call("GET", "invoices/upcoming").status_code == 404
    buyer.buy()
    buyer.use(150)
    buyer.do("subscription/preview", {"plan": "professional", "interval": "monthly"})  # tells Stripe of the usage
    upcoming = buyer.call("GET", "invoices/upcoming").json
    assert (upcoming["total"], upcoming["amount_due"], upcoming["currency"]) == (3_020, 3_020, "usd")
