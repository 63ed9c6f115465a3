"""How invoices look: paid with credits, owed with a notice, in light and dark, wide and narrow, and on paper."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from dashboard.billing.billing_state import follow_state
from dashboard.billing.customers import ensure_customer
from dashboard.billing.invoices import sync_invoice
from dashboard.billing.plans import prices_of_plan
from dashboard.billing.ports import SubscriptionFacts
from dashboard.billing.subscriptions import sync_subscription
from dashboard.models import Role, Tenant
from dashboard.wiring import now, unit_of_work, wiring
from tests.browser.conftest import Platform, breaches_of
from tests.factories import NOON, PASSWORD, make_user, record
from tests.invoice_facts import CHARGE, PAYMENT, RICH, invoice
from tests.platform import new_tenant

# When the texts of the paid invoice were sent.
DAY = NOON + timedelta(days=3)


@pytest.fixture
def owing(platform: Platform) -> tuple[Platform, int, str, str]:
    """A tenant with a paid and credited invoice and an unpaid one; its owner's and a member of staff's email."""
    tenant_id, _ = new_tenant()
    with unit_of_work() as session:
        customer = ensure_customer(session, tenant_id, wiring().billing)
        base, metered = prices_of_plan(session, "starter", "monthly", wiring().pins) or ("", [])
        fee = replace(RICH.lines[0], id="il_base", price_id=base, tier=None, quantity=1, amount=1_900)
        usage = tuple(replace(line, price_id=metered[0]) for line in RICH.lines)
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
            lines=usage,
        )
        tenant = session.get_one(Tenant, tenant_id)
        for user, quantity in (("ada@tenant.example", 100), ("bob@tenant.example", 31)):
            record(session, tenant, now=DAY, user_id=user, quantity=quantity, occurred_at=DAY.isoformat())
        for facts in (replace(RICH, lines=(fee, *usage)), owed):
            sync_invoice(session, replace(facts, customer_id=customer), now())
        overdue = SubscriptionFacts("sub_1", customer, "past_due", (), None, None, failed)
        sync_subscription(session, overdue, wiring().pins, now())
        follow_state(session, tenant_id, wiring().payment_policy, now())
        owner = make_user(session, session.get_one(Tenant, tenant_id), Role.OWNER).email
        staff = make_user(session, is_staff=True).email
    return platform, tenant_id, owner, staff


def enter(context: BrowserContext, platform: Platform, email: str) -> None:
    page = context.new_page()
    page.goto(f"{platform.base}/login")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_invoices_and_the_notice_are_accessible_and_fit(
    browser: Browser, owing: tuple[Platform, int, str, str], theme: str, shots: Path
) -> None:
    platform, tenant_id, owner, staff = owing
    tenant = f"/tenants/{tenant_id}"
    problems: list[str] = []
    for who, path in (
        (owner, f"{tenant}/invoices"),
        (owner, f"{tenant}/invoices/in_1"),
        (owner, f"{tenant}/invoices/in_2"),
        (owner, f"{tenant}/invoices/upcoming"),
        (owner, f"{tenant}/invoices/in_1/lines/1"),
        (owner, f"{tenant}/invoices/in_1/lines/1/{DAY.date()}"),
        (owner, f"{tenant}/invoices/in_1/lines/1/{DAY.date()}/actions"),
        (staff, "/staff/syncs"),
    ):
        context = browser.new_context(color_scheme="dark" if theme == "dark" else "light")
        enter(context, platform, who)
        page = context.new_page()
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(platform.base + path)
            problems += [f"{path} ({theme}, {width}): {problem}" for problem in breaches_of(page)]
            name = path.removeprefix(f"{tenant}/").strip("/").replace("/", "-")
            page.screenshot(path=shots / f"owing-{name}-{width}-{theme}.png", full_page=True)
        context.close()
    assert problems == []


def test_an_invoice_prints_without_what_is_for_the_screen(
    browser: Browser, owing: tuple[Platform, int, str, str], shots: Path
) -> None:
    platform, tenant_id, owner, _ = owing
    context = browser.new_context(viewport={"width": 794, "height": 1123})
    enter(context, platform, owner)
    page = context.new_page()
    page.goto(f"{platform.base}/tenants/{tenant_id}/invoices/in_1")
    page.emulate_media(media="print")
    for gone in (page.locator(".side"), page.locator(".notice"), page.get_by_role("link", name="PDF")):
        expect(gone).to_be_hidden()
    for kept in ("Tier 2", "VAT 19% DE on $19.00", "ADA-0001-CN-01", "Your card was declined."):
        expect(page.get_by_text(kept).first).to_be_visible()
    page.screenshot(path=shots / "owing-in_1-print.png", full_page=True)
    context.close()


def test_who_owes_is_led_to_the_invoice_and_on_to_stripes_page(
    browser: Browser, owing: tuple[Platform, int, str, str]
) -> None:
    platform, tenant_id, owner, _ = owing
    context = browser.new_context(java_script_enabled=False)
    enter(context, platform, owner)
    page = context.new_page()
    page.goto(f"{platform.base}/tenants/{tenant_id}/usage")
    page.get_by_role("link", name="See the invoice").click()
    expect(page.get_by_role("heading", name="ADA-0002")).to_be_visible()
    expect(page.get_by_role("link", name="Pay now")).to_have_attribute("href", "https://stripe.example/i/in_1")
    context.close()


def test_a_line_opens_down_to_its_actions_without_scripts_too(
    browser: Browser, owing: tuple[Platform, int, str, str]
) -> None:
    platform, tenant_id, owner, _ = owing
    for scripts in (True, False):
        context = browser.new_context(java_script_enabled=scripts)
        enter(context, platform, owner)
        page = context.new_page()
        page.goto(f"{platform.base}/tenants/{tenant_id}/invoices/in_1")
        page.get_by_role("link", name="SMS sent").first.click()
        expect(page.get_by_text("131 segments: 100 included, 31 × $0.024 = $0.74")).to_be_visible()
        page.get_by_role("link", name="Thu, Jun 18").click()
        expect(page.get_by_role("heading", name="SMS sent on Thu, Jun 18")).to_be_visible()
        page.get_by_role("link", name="bob@tenant.example").click()
        expect(page.get_by_text("1 action, 31 segments")).to_be_visible()
        context.close()
