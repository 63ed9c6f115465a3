"""An invoice line explained on pages: line, day, user, action, each with what adds up to it, and who may see it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from dashboard.billing.invoices.invoices import sync_invoice
from dashboard.billing.plans.plans import store_price
from dashboard.database import db
from dashboard.models import CatalogPrice, Tenant
from dashboard.wiring import unit_of_work
from tests.factories import NOON, make_period, make_tenant, record
from tests.invoice_facts import END, FINAL, invoice, tier
from tests.platform import log_in

DAY = (NOON + timedelta(days=1)).date().isoformat()
# The reader, the tenant, the role, its billing state, the reader's tenants.
COMMON = 5
NASTY = ("%00", "2026-13-45", "99999-01-01", "<script>", "0001-01-01", "9999-12-31", "%F0%9F%92%A5", "2026-06-16T00:00")


@pytest.fixture
def tenant_id(app: Flask) -> int:
    """Texts of 1,284 segments by three users, one of them corrected, and nine that came late."""
    with unit_of_work() as unit:
        price = {"product_id": "prod_1", "plan": "starter", "interval": "monthly", "currency": "usd", "active": True}
        store_price(unit, CatalogPrice(price_id="price_sms", usage_type="SMS_SENT", **price))
        tenant = make_tenant(unit, customer="cus_1")
        make_period(unit, tenant, NOON, END)
        for user, quantity, days in (("ada", 900, 1), ("bob", 300, 1), (None, 90, 3)):
            at = NOON + timedelta(days=days)
            named = {"user_id": user} if user else {}
            made = record(unit, tenant, now=at, quantity=quantity, occurred_at=at.isoformat(), **named)
        record(unit, tenant, now=NOON + timedelta(days=4), quantity=-6, corrects_id=made.id)
        at = END - timedelta(hours=5)
        record(unit, tenant, now=FINAL + timedelta(days=1), quantity=9, user_id="ada", occurred_at=at.isoformat())
        lines = (tier(1, 1_000, "0", 0), tier(2, 284, "0.0079", 224))
        assert sync_invoice(unit, invoice(lines=lines), FINAL)
        assert sync_invoice(unit, invoice(id="in_2", lines=(lines[0], replace(lines[1], quantity=287))), FINAL)
        return tenant.id


def words(browser: FlaskClient, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


def links(browser: FlaskClient, path: str, to: str) -> list[str]:
    """The links of a page that lead to such an address."""
    found = re.findall(rf'href="({to})"', browser.get(path).text)
    return [each.replace("&amp;", "&") for each in found]


def test_a_line_opens_into_days_users_and_single_actions(app: Flask, tenant_id: int) -> None:
    browser, invoices = log_in(app, tenant_id), f"/tenants/{tenant_id}/invoices"
    (line, *_) = links(browser, f"{invoices}/in_1", rf"{invoices}/in_1/lines/\d+")
    text = words(browser, line)
    assert "1,284 segments: 1,000 included, 284 × $0.0079 = $2.24" in text
    for row in ("Actions recorded in time 1,290", "Corrections −6", "In the ledger 1,293", "Late, so not billed −9"):
        assert row in text, row
    assert "On the invoice 1,284" in text
    assert "Stripe billed" not in text
    days = links(browser, line, rf"{line}/[0-9-]+")
    assert len(days) == 3
    assert re.search(r"ada 1 900 – – 900 .* Total 2 1,200 – – 1,200", words(browser, days[0]))
    (nobody,) = links(browser, days[1], rf"{days[1]}/actions\?user=")
    text = words(browser, nobody)
    assert "2 actions, 84 segments with corrections of −6" in text
    assert re.search(r"Corrects \d+ .* Corrected by \d+", text)
    assert "Late" in words(browser, f"{days[2]}/actions")


def test_a_difference_is_said_with_its_size(app: Flask, tenant_id: int) -> None:
    browser = log_in(app, tenant_id)
    text = words(browser, f"/tenants/{tenant_id}/invoices/in_2/lines/0")
    assert "Stripe billed 3 segments more than the ledger holds" in text
    assert "Difference at Stripe 3" in text


def test_many_actions_go_on_at_earlier_ones(app: Flask, tenant_id: int) -> None:
    with unit_of_work() as unit:
        tenant = unit.get_one(Tenant, tenant_id)
        for n in range(101):
            at = NOON + timedelta(days=6, minutes=n)
            record(unit, tenant, now=at, occurred_at=at.isoformat(), user_id="eve")
    browser = log_in(app, tenant_id)
    day = (NOON + timedelta(days=6)).date().isoformat()
    path = f"/tenants/{tenant_id}/invoices/in_1/lines/0/{day}/actions?user=eve"
    (earlier,) = links(browser, path, r"[^\"]+cursor=[^\"]+")
    assert len(re.findall(r'<tr id="e', browser.get(path).text)) == 100
    assert len(re.findall(r'<tr id="e', browser.get(earlier).text)) == 1


def test_what_is_not_there_is_a_404_and_a_wrong_cursor_is_told(app: Flask, tenant_id: int) -> None:
    browser, line = log_in(app, tenant_id), f"/tenants/{tenant_id}/invoices/in_1/lines"
    assert browser.get(f"{line}/5").status_code == 404
    assert browser.get(f"{line}/0/2027-01-01").status_code == 404
    for each in NASTY:
        assert browser.get(f"{line}/0/{each}").status_code == 404, each
        assert browser.get(f"{line}/0/{each}/actions").status_code == 404, each
    answer = browser.get(f"{line}/0/{DAY}/actions?cursor=nonsense")
    assert answer.status_code == 400
    assert "next_cursor" in answer.text
    for user in ("%00", "x" * 300):
        assert browser.get(f"{line}/0/{DAY}/actions?user={user}").status_code == 400
    assert browser.get(f"{line}/0/{DAY}/actions?user=%3Cscript%3E").status_code == 200


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("invoices", 6),
        ("invoices/in_1", 6),
        ("invoices/in_1/lines/0", 4),
        (f"invoices/in_1/lines/0/{DAY}", 2),
        (f"invoices/in_1/lines/0/{DAY}/actions", 3),
        ("invoices/upcoming", 4),
        ("plans", 6),
    ],
)
def test_a_page_asks_little(app: Flask, tenant_id: int, path: str, most: int) -> None:
    browser = log_in(app, tenant_id)
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    assert browser.get(f"/tenants/{tenant_id}/{path}").status_code == 200
    assert len(asked) <= COMMON + most, asked


def test_another_tenants_line_is_a_404(app: Flask, tenant_id: int) -> None:
    with unit_of_work() as unit:
        other = make_tenant(unit).id
    browser = log_in(app, other)
    for path in ("0", f"0/{DAY}", f"0/{DAY}/actions"):
        assert browser.get(f"/tenants/{other}/invoices/in_1/lines/{path}").status_code == 404
        assert browser.get(f"/tenants/{tenant_id}/invoices/in_1/lines/{path}").status_code == 404
