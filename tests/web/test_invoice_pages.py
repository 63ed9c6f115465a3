"""Invoices on pages: the list with filters and sums, one with its payments, credits and the ledger beside it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.billing.invoices.invoice_reports import find_invoice, list_invoices, sum_invoices
from dashboard.billing.invoices.invoice_search import InvoiceCounts, InvoiceQuery, count_invoices
from dashboard.billing.invoices.invoices import sync_invoice
from dashboard.billing.plans.plans import store_price
from dashboard.billing.ports.invoices import InvoiceFacts
from dashboard.models import CatalogPrice
from dashboard.wiring import session, unit_of_work
from tests.factories import NOON, make_tenant, record
from tests.invoice_facts import END, FINAL, MONTH, RICH, invoice, tier
from tests.platform import log_in


@pytest.fixture
def tenant_id(app: Flask) -> int:
    """A customer of Stripe, and the price of its texts."""
    with unit_of_work() as unit:
        store_price(
            unit,
            CatalogPrice(
                price_id="price_sms",
                product_id="prod_1",
                plan="starter",
                interval="monthly",
                usage_type="SMS_SENT",
                currency="usd",
                active=True,
            ),
        )
        return make_tenant(unit, customer="cus_1").id


def store(*facts: InvoiceFacts) -> None:
    with unit_of_work() as unit:
        for each in facts:
            assert sync_invoice(unit, each, FINAL)


def use(tenant_id: int, quantity: int, *, at: datetime = NOON, recorded: datetime | None = None) -> None:
    """Record sent texts; `recorded` is when they reached the ledger."""
    with unit_of_work() as unit:
        tenant = unit.get_one(type(make_tenant(unit)), tenant_id)
        record(unit, tenant, quantity=quantity, occurred_at=at.isoformat(), now=recorded or at)


def page(app: Flask, tenant_id: int, path: str = "/in_1") -> str:
    """The text of a page, tags taken out."""
    answer = log_in(app, tenant_id).get(f"/tenants/{tenant_id}/invoices{path}")
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


def test_the_ledger_stands_beside_the_sum_of_all_tier_lines(app: Flask, tenant_id: int) -> None:
    use(tenant_id, 131)
    store(invoice())
    (group,) = find_invoice(session(), tenant_id, "in_1").groups
    assert (group.quantity, group.ledger_quantity, group.amount, group.verdict) == (131, 131, 74, "equal")
    assert [(each.tier, each.quantity, each.amount) for each in group.tiers] == [(1, 100, 0), (2, 31, 74)]
    text = page(app, tenant_id)
    assert "Equal to the unit" in text
    assert "Tier 1, included 100" in text
    assert "Tier 2 31 × $0.024" in text


def test_usage_recorded_after_the_invoice_was_final_is_called_late(app: Flask, tenant_id: int) -> None:
    use(tenant_id, 131)
    use(tenant_id, 9, at=END - timedelta(minutes=5), recorded=FINAL + timedelta(days=1))
    store(invoice())
    detail = find_invoice(session(), tenant_id, "in_1")
    (group,) = detail.groups
    assert group.late is not None
    assert (group.ledger_quantity, group.late.quantity, group.difference, detail.proof) == (140, 9, -9, "late")
    assert "no invoice bills it" in page(app, tenant_id)


def test_a_difference_that_lateness_does_not_explain_is_one(app: Flask, tenant_id: int) -> None:
    use(tenant_id, 130)
    store(invoice())
    assert find_invoice(session(), tenant_id, "in_1").proof == "differs"
    use(tenant_id, 9, recorded=FINAL + timedelta(days=1))
    session().rollback()
    assert find_invoice(session(), tenant_id, "in_1").proof == "differs"
    assert "Differs" in page(app, tenant_id)


def test_a_drafts_usage_is_not_final_yet(app: Flask, tenant_id: int) -> None:
    use(tenant_id, 200)
    store(invoice(status="draft", number=None, finalized_at=None, paid_at=None, payment_attempts=0))
    assert find_invoice(session(), tenant_id, "in_1").proof == "open"


def test_the_same_type_in_two_periods_is_compared_apart(app: Flask, tenant_id: int) -> None:
    """A change of plan bills what was used so far at the old price, the rest at the new one."""
    half = NOON + timedelta(days=15)
    use(tenant_id, 40)
    use(tenant_id, 91, at=half)
    before = replace(tier(1, 40, "0.00", 0), id="il_0", period_end=half, invoice_item_id="ii_1")
    after = [replace(line, period_start=half) for line in (tier(1, 60, "0.00", 0), tier(2, 31, "0.024", 74))]
    store(invoice(lines=(before, *after)))
    groups = find_invoice(session(), tenant_id, "in_1").groups
    assert [(each.quantity, each.ledger_quantity) for each in groups] == [(40, 40), (91, 91)]


def test_items_without_a_price_stay_lines_of_their_own(app: Flask, tenant_id: int) -> None:
    items = [replace(tier(1, 1, "", 100 * n), description=f"Item {n}", price_id=None, tier=None) for n in (1, 2)]
    store(invoice(lines=tuple(items)))
    assert [each.label for each in find_invoice(session(), tenant_id, "in_1").groups] == ["Item 1", "Item 2"]


def test_an_invoice_shows_discounts_taxes_payments_and_credits(app: Flask, tenant_id: int) -> None:
    store(RICH)
    text = page(app, tenant_id)
    for shown in (
        "Summer (5% off), code SUN −1.00",
        "VAT 19% DE on $19.00 3.61",
        "Visa ···· 0341 Your card was declined. $22.61",
        "Visa ···· 4242 – $22.61",
        "ADA-0001-CN-01",
        "$2.00 refunded",
        "$3.95 to your balance",
        "$5.95 was credited after payment",
    ):
        assert shown in text, shown


def test_an_open_invoice_is_paid_on_stripes_page(app: Flask, tenant_id: int) -> None:
    store(invoice(status="open", amount_paid=0, amount_remaining=74, paid_at=None, payment_attempts=1))
    browser = log_in(app, tenant_id)
    text = browser.get(f"/tenants/{tenant_id}/invoices/in_1").text
    assert re.search(r'href="https://stripe.example/i/in_1"[^>]*>.*Pay now', text)
    assert "Payment failed" in text
    store(invoice())
    assert "Pay now" not in browser.get(f"/tenants/{tenant_id}/invoices/in_1").text


def test_the_list_filters_searches_and_adds_up(app: Flask, tenant_id: int) -> None:
    owed = {"status": "open", "amount_paid": 0, "amount_remaining": 74, "paid_at": None}
    store(
        RICH,
        invoice(id="in_2", number="ADA-0002", created_at=END + MONTH, **owed),
        invoice(id="in_3", number=None, status="draft", created_at=END + 2 * MONTH, finalized_at=None),
    )
    assert [each.id for each in list_invoices(session(), tenant_id)] == ["in_3", "in_2", "in_1"]
    (sums,) = sum_invoices(session(), tenant_id, InvoiceQuery())
    assert (sums.count, sums.total, sums.paid, sums.remaining, sums.credited) == (2, 2_335, 2_261, 74, 595)
    found = {
        query: [each.id for each in list_invoices(session(), tenant_id, query)]
        for query in (
            InvoiceQuery("open"),
            InvoiceQuery(search="0001"),
            InvoiceQuery(search="tier 2"),
            InvoiceQuery(search="100%"),
            InvoiceQuery("paid", "0002"),
            InvoiceQuery(search="$22.61"),
            InvoiceQuery(search="0.74"),
            InvoiceQuery(search="1e999999"),
            InvoiceQuery(year=2026),
            InvoiceQuery(year=2025),
        )
    }
    everything = ["in_3", "in_2", "in_1"]
    assert list(found.values()) == [
        ["in_2"],
        ["in_1"],
        everything,
        [],
        [],
        ["in_1"],
        ["in_3", "in_2"],
        [],
        everything,
        [],
    ]
    assert count_invoices(session(), tenant_id) == InvoiceCounts({"paid": 1, "open": 1, "draft": 1}, {2026: 3})
    assert [each.id for each in list_invoices(session(), tenant_id, after="in_2")] == ["in_1"]
    assert "ADA-0002" not in page(app, tenant_id, "?status=paid")
    assert "No invoice is like that" in page(app, tenant_id, "?q=nothing%00")
    assert "No invoice is like that" in page(app, tenant_id, "?year=2025")
    assert "ADA-0002" in page(app, tenant_id, "?year=99999&status=none")


def test_a_long_list_goes_on_at_older_invoices(app: Flask, tenant_id: int) -> None:
    store(*(invoice(id=f"in_{n}", number=f"ADA-{n:04d}", created_at=END + timedelta(days=n)) for n in range(52)))
    browser: FlaskClient = log_in(app, tenant_id)
    first = browser.get(f"/tenants/{tenant_id}/invoices").text
    following = re.search(r'href="([^"]+)">Older invoices', first)
    assert following
    second = browser.get(following.group(1).replace("&amp;", "&")).text
    assert re.findall(r">(ADA-\d{4})<", first + second) == [f"ADA-{n:04d}" for n in reversed(range(52))]
    assert "Older invoices" not in second


def test_another_tenants_invoice_is_not_found(app: Flask, tenant_id: int) -> None:
    store(RICH)
    with unit_of_work() as unit:
        other = make_tenant(unit).id
    assert log_in(app, other).get(f"/tenants/{other}/invoices/in_1").status_code == 404
