"""How invoices look: paid with credits, owed with a notice, in light and dark, wide and narrow, and on paper."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from dashboard.billing.invoices.invoices import sync_invoice
from dashboard.billing.mirror.billing_state import follow_state
from dashboard.billing.mirror.customers import ensure_customer
from dashboard.billing.ports.providers import SubscriptionFacts
from dashboard.billing.subscriptions.subscriptions import sync_subscription
from dashboard.models import Role, Tenant
from dashboard.wiring import now, unit_of_work, wiring
from tests.browser.conftest import Platform, breaches_of, window
from tests.browser.invoices import paid_invoice, record_paid_usage
from tests.factories import make_user
from tests.invoice_facts import CHARGE, PAYMENT, invoice
from tests.platform import new_tenant


@pytest.fixture(scope="module")
def owing(shared_platform: Platform) -> tuple[Platform, int, str]:
    """A tenant with a paid and credited invoice and an unpaid one; its owner's email."""
    tenant_id, _ = new_tenant()
    with unit_of_work() as session:
        customer = ensure_customer(session, tenant_id, wiring().billing)
        paid = paid_invoice(session, customer)
        failed = now() - timedelta(days=9)
        open_payment = replace(PAYMENT, status="open", amount_paid=None, paid_at=None, created_at=failed)
        owed = invoice(
            id="in_2",
            number="ADA-0002",
            status="open",
            created_at=failed,
            finalized_at=failed,
            paid_at=None,
            amount_paid=0,
            amount_remaining=74,
            next_payment_attempt=now() + timedelta(days=2),
            payments=(replace(open_payment, id="inpay_2"),),
            attempts=(replace(CHARGE, id="ch_3", payment_id="inpay_2", created_at=failed),),
            lines=paid.lines[1:],
        )
        tenant = session.get_one(Tenant, tenant_id)
        record_paid_usage(session, tenant)
        for facts in (paid, replace(owed, customer_id=customer)):
            sync_invoice(session, facts, now())
        overdue = SubscriptionFacts("sub_1", customer, "past_due", (), None, None, failed)
        sync_subscription(session, overdue, wiring().pins, now())
        follow_state(session, tenant_id, wiring().payment_policy, now())
        owner = make_user(session, session.get_one(Tenant, tenant_id), Role.OWNER).email
    return shared_platform, tenant_id, owner


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_invoices_and_the_notice_are_accessible_and_fit(
    browser: Browser, owing: tuple[Platform, int, str], theme: Literal["light", "dark"], shots: Path
) -> None:
    platform, tenant_id, owner = owing
    problems: list[str] = []
    with window(browser, platform, owner, theme=theme) as page:
        for path in ("invoices", "invoices/in_1", "invoices/in_2", "invoices/upcoming"):
            for width in (1280, 360):
                page.set_viewport_size({"width": width, "height": 900})
                page.goto(f"/tenants/{tenant_id}/{path}")
                problems += [f"{path} ({theme}, {width}): {problem}" for problem in breaches_of(page)]
                name = path.replace("/", "-")
                page.screenshot(path=shots / f"owing-{name}-{width}-{theme}.png", full_page=True)
    assert problems == []


def test_an_invoice_prints_without_what_is_for_the_screen(
    browser: Browser, owing: tuple[Platform, int, str], shots: Path
) -> None:
    platform, tenant_id, owner = owing
    with window(browser, platform, owner, width=794) as page:
        page.goto(f"/tenants/{tenant_id}/invoices/in_1")
        page.emulate_media(media="print")
        for gone in (page.locator(".side"), page.locator(".notice"), page.get_by_role("link", name="PDF")):
            expect(gone).to_be_hidden()
        for kept in ("Tier 2", "VAT 19% DE on $19.00", "ADA-0001-CN-01", "Your card was declined."):
            expect(page.get_by_text(kept).first).to_be_visible()
        page.screenshot(path=shots / "owing-in_1-print.png", full_page=True)


@pytest.mark.parametrize("scripts", [True, False])
def test_who_owes_is_led_to_the_invoice_and_on_to_stripes_page(
    browser: Browser, owing: tuple[Platform, int, str], *, scripts: bool
) -> None:
    platform, tenant_id, owner = owing
    with window(browser, platform, owner, scripts=scripts) as page:
        page.goto(f"/tenants/{tenant_id}/usage")
        page.get_by_role("link", name="See the invoice").click()
        expect(page.get_by_role("heading", name="ADA-0002")).to_be_visible()
        expect(page.get_by_role("link", name="Pay now")).to_have_attribute("href", "https://stripe.example/i/in_1")
        page.get_by_role("link", name="Invoices").first.click()
        page.get_by_label("Status").select_option("paid")
        page.get_by_label("Search").fill("ADA-0001")
        page.get_by_role("button", name="Apply").click()
        assert "q=ADA-0001" in page.url
        expect(page.locator("tbody tr")).to_have_count(1)
        page.get_by_role("link", name="ADA-0001").click()
        expect(page.get_by_role("link", name="PDF")).to_have_attribute("href", "https://stripe.example/i/in_1/pdf")
        expect(page.get_by_role("link", name="Stripe's page")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_line_opens_down_to_its_actions(browser: Browser, owing: tuple[Platform, int, str], *, scripts: bool) -> None:
    platform, tenant_id, owner = owing
    with window(browser, platform, owner, scripts=scripts) as page:
        page.goto(f"/tenants/{tenant_id}/invoices/in_1")
        page.get_by_role("link", name="SMS sent").first.click()
        expect(page.get_by_text("131 segments: 100 included, 31 × $0.024 = $0.74")).to_be_visible()
        page.get_by_role("link", name="Thu, Jun 18").click()
        expect(page.get_by_role("heading", name="SMS sent on Thu, Jun 18")).to_be_visible()
        page.get_by_role("link", name="bob@tenant.example").click()
        expect(page.get_by_text("1 action, 31 segments")).to_be_visible()
