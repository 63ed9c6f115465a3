"""From the overview to a bar, its day, a user and the single actions; by keyboard, and without scripts."""

from __future__ import annotations

import re

import requests
from playwright.sync_api import Browser, Page, expect

from dashboard.models import Role, Tenant
from dashboard.wiring import unit_of_work
from tests.browser.conftest import Platform, window
from tests.factories import make_user, usage_body
from tests.platform import bearer, new_tenant


def test_every_number_opens_down_to_its_actions(browser: Browser, platform: Platform) -> None:
    tenant_id, key = new_tenant()
    events = [
        usage_body(user_id=user, quantity=n + 2, metadata={"campaign": "spring"})
        for n, user in enumerate(("ada", "bob"))
    ]
    url = f"{platform.base}/api/billing/usage/events"
    assert requests.post(url, json={"events": events}, headers=bearer(key), timeout=10).status_code == 201
    with unit_of_work() as session:
        owner = make_user(session, session.get_one(Tenant, tenant_id), Role.OWNER).email
    for scripts in (True, False):
        with window(browser, platform, owner, scripts=scripts) as page:
            walk_down(page, scripts=scripts)


def walk_down(page: Page, *, scripts: bool) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", name="Included in your plan")).to_be_visible()
    page.get_by_role("link", name="SMS sent").first.click()
    expect(page.get_by_role("heading", name="SMS sent per day")).to_be_visible()
    if scripts:
        page.get_by_label("Split").select_option("user")
        expect(page.locator(".legend")).to_contain_text("ada 2")
        page.locator(".plot a").first.focus()
        page.keyboard.press("End")
        expect(page.locator(".tip")).to_contain_text("Total")
        page.keyboard.press("Enter")
    else:
        page.locator(".plot a").last.click()
    expect(page.get_by_role("heading", name="SMS sent per hour")).to_be_visible()
    page.get_by_role("link", name="ada", exact=True).first.click()
    expect(page.get_by_role("heading", name="Actions")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("campaign spring")
    assert re.search(r"user=ada", page.url)
