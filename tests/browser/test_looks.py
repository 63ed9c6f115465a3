"""How pages look and work: nothing axe objects to, no sideways scroll, no scripts needed, in light and dark."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, expect
from sqlalchemy import select

from dashboard.database import db
from dashboard.models import Invoice, Role, Tenant
from dashboard.wiring import unit_of_work
from tests.browser.conftest import Platform, breaches_of
from tests.factories import PASSWORD, make_user, usage_body
from tests.platform import bearer, buy, log_in, new_tenant
from tests.sandbox_server import wait_until


@pytest.fixture
def furnished(platform: Platform) -> tuple[Platform, int, str, str]:
    """A tenant with a plan, an invoice and usage; its owner's and a member of staff's email."""
    tenant_id, key = new_tenant()
    buy(log_in(platform.app, tenant_id), tenant_id)
    kinds = ("SMS_SENT", "SMS_RECEIVED", "AI_MESSAGE_GENERATED", "CALL_DURATION_SECONDS", "STORAGE_USED_MB")
    events = [usage_body(usage_type=kind, quantity=n * 30) for kind in kinds for n in range(1, 6)]
    url = f"{platform.base}/api/billing/usage/events"
    assert requests.post(url, json={"events": events}, headers=bearer(key), timeout=10).status_code == 201
    with unit_of_work() as session:
        owner = make_user(session, session.get_one(Tenant, tenant_id), Role.OWNER).email
        staff = make_user(session, is_staff=True).email
    wait_until(has_invoice, "the first invoice")
    return platform, tenant_id, owner, staff


def note_policy(problems: list[str], path: str, message: ConsoleMessage) -> None:
    """A breach of the Content-Security-Policy is told on the console."""
    if "Policy" in message.text:
        problems.append(f"{path}: {message.text}")


def has_invoice() -> bool:
    db.session.rollback()
    return db.session.scalars(select(Invoice).where(Invoice.status == "paid")).first() is not None


def enter(context: BrowserContext, platform: Platform, email: str) -> None:
    page = context.new_page()
    page.goto(f"{platform.base}/login")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.close()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 320)])
def test_every_page_is_accessible_and_fits(
    browser: Browser, furnished: tuple[Platform, int, str, str], theme: str, width: int, shots: Path
) -> None:
    platform, tenant_id, owner, staff = furnished
    tenant = f"/tenants/{tenant_id}"
    visits: list[tuple[str | None, str]] = [
        (owner, f"{tenant}/{page}")
        for page in ("usage", "usage?family=storage", "usage?group_by=user", "invoices", "plans")
    ]
    visits += [(owner, tenant), (owner, f"{tenant}/usage/actions")]
    visits += [(owner, f"{tenant}/plans?interval=yearly"), (owner, "@invoice"), (owner, f"{tenant}/nothing")]
    visits += [(owner, f"{tenant}/settings/api-keys"), (owner, f"{tenant}/usage/late")]
    visits += [(owner, f"{tenant}/{page}") for page in ("settings", "settings/members", "settings/alerts")]
    visits += [(owner, f"{tenant}/settings/audit"), (owner, f"{tenant}/notices")]
    visits += [(owner, f"{tenant}/{page}") for page in ("subscription", "subscription/cancel", "subscription/pause")]
    visits += [(owner, f"{tenant}/payment-methods"), (owner, f"{tenant}/plans/change?plan=professional")]
    visits += [(staff, f"/staff/{page}") for page in ("syncs", "subscriptions", "webhooks", "meter-errors")]
    visits += [(staff, f"/staff{page}") for page in ("", "/tenants", "/dead-letters", "/queues")]
    visits += [(staff, f"/staff/{page}") for page in ("reconciliation", "proposals", "twilio")]
    visits += [(owner, f"{tenant}/{page}") for page in ("syncs", "invoices/upcoming", "webhooks")]
    visits += [(staff, f"/staff/tenants/{tenant_id}"), (staff, f"/staff/tenants/{tenant_id}/view")]
    visits += [(None, "/login"), (None, "/api/docs")]
    problems: list[str] = []
    for who in (owner, staff, None):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if theme == "dark" else "light"
        )
        if who:
            enter(context, platform, who)
        for path in (path for visitor, path in visits if visitor == who):
            page = context.new_page()
            page.on("console", partial(note_policy, problems, path))
            page.goto(platform.base + (f"{tenant}/invoices" if path == "@invoice" else path))
            if path == "@invoice":
                page.locator("tbody th a").first.click()
                expect(page.get_by_role("heading", name="Lines")).to_be_visible()
            problems += [f"{path} ({theme}, {width}): {problem}" for problem in breaches_of(page)]
            name = path.strip("/@").replace("/", "-").replace("?", "-").replace("=", "-")
            page.screenshot(path=shots / f"{name}-{width}-{theme}.png", full_page=True)
            page.close()
        context.close()
    assert problems == []


def test_pages_work_without_scripts(browser: Browser, furnished: tuple[Platform, int, str, str]) -> None:
    platform, tenant_id, owner, staff = furnished
    context = browser.new_context(java_script_enabled=False)
    enter(context, platform, owner)
    page = context.new_page()
    page.goto(f"{platform.base}/tenants/{tenant_id}/usage")
    page.get_by_label("Usage", exact=True).select_option("ai")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("heading", name="AI per day")).to_be_visible()
    page.get_by_role("link", name="Invoices").first.click()
    page.locator("tbody th a").first.click()
    expect(page.get_by_text("Starter plan, monthly")).to_be_visible()
    page.get_by_role("link", name="Plans").first.click()
    page.get_by_role("link", name="Yearly").click()
    expect(page.get_by_text("$290.00")).to_be_visible()
    context.close()
    context = browser.new_context(java_script_enabled=False)
    enter(context, platform, staff)
    page = context.new_page()
    page.goto(f"{platform.base}/staff/syncs")
    page.get_by_role("button", name="Start sync").click()
    expect(page.get_by_role("heading", name="Sync 1")).to_be_visible()
    page.get_by_role("link", name="Tenants").first.click()
    page.get_by_label("Search").fill(str(tenant_id))
    page.get_by_role("button", name="Find").click()
    page.locator("tbody th a").first.click()
    page.get_by_label("Kind").select_option("invoice")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="Invoice ").first.click()
    page.get_by_label("Reason").fill("Ticket 4711")
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_text("Starter plan, monthly")).to_be_visible()
    expect(page.get_by_text("as staff, read-only")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("You have stopped viewing as staff.")).to_be_visible()
    context.close()


def test_the_period_and_family_change_in_place_and_have_an_address(
    browser: Browser, furnished: tuple[Platform, int, str, str]
) -> None:
    platform, tenant_id, owner, _ = furnished
    context = browser.new_context()
    enter(context, platform, owner)
    page = context.new_page()
    page.goto(f"{platform.base}/tenants/{tenant_id}/usage")
    page.evaluate("window.unchanged = true")
    page.get_by_label("Usage", exact=True).select_option("call-time")
    expect(page.get_by_role("heading", name="Call time per day")).to_be_visible()
    assert page.evaluate("window.unchanged") is True
    assert "family=call-time" in page.url
    page.reload()
    expect(page.get_by_role("heading", name="Call time per day")).to_be_visible()
    page.locator(".plot a").first.focus()
    page.keyboard.press("End")
    expect(page.locator(".tip")).to_contain_text("Total")
    page.get_by_role("button", name="Switch theme").click()
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    context.close()
