"""The pages about plans in their less usual states: a downgrade, a scheduled change, an overdue payment."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.database import db
from dashboard.models import Role, Subscription, Tenant
from dashboard.wiring import unit_of_work, wiring
from tests.browser.conftest import Platform, breaches_of
from tests.factories import PASSWORD, make_user
from tests.platform import buy, log_in, new_tenant
from tests.sandbox.shop import FAILS_LATER, give_card
from tests.sandbox_server import wait_until


@pytest.fixture
def owner(platform: Platform) -> tuple[int, str]:
    """A tenant on Professional, and its owner's email."""
    tenant_id, _ = new_tenant()
    buy(log_in(platform.app, tenant_id), tenant_id, "professional")
    wait_until(lambda: has_status("active"), "the subscription")
    with unit_of_work() as session:
        return tenant_id, make_user(session, session.get_one(Tenant, tenant_id), Role.OWNER).email


def has_status(status: str) -> bool:
    db.session.rollback()
    found = db.session.query(Subscription).first()
    return found is not None and found.status == status


def enter(browser: Browser, platform: Platform, email: str, width: int, *, dark: bool, scripts: bool = True) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        java_script_enabled=scripts,
    )
    page = context.new_page()
    page.goto(f"{platform.base}/login")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page


@pytest.mark.parametrize(("width", "dark"), [(360, True), (1280, False)])
def test_a_downgrade_is_shown_scheduled_and_taken_back(
    browser: Browser, platform: Platform, owner: tuple[int, str], width: int, shots: Path, *, dark: bool
) -> None:
    tenant_id, email = owner
    page = enter(browser, platform, email, width, dark=dark)
    page.goto(f"{platform.base}/tenants/{tenant_id}/plans")
    page.get_by_role("link", name="Change to Starter").click()
    expect(page.get_by_role("heading", name="What you would lose")).to_be_visible()
    problems = breaches_of(page)
    page.screenshot(path=shots / f"downgrade-{width}.png", full_page=True)
    page.get_by_role("button", name="Schedule the change").click()
    expect(page.get_by_role("button", name="Keep my plan")).to_be_visible()
    problems += breaches_of(page)
    page.screenshot(path=shots / f"scheduled-{width}.png", full_page=True)
    page.get_by_role("button", name="Keep my plan").click()
    expect(page.get_by_text("the scheduled change is taken back")).to_be_visible()
    assert problems == []
    page.context.close()


@pytest.mark.parametrize(("width", "dark"), [(360, False), (1280, True)])
def test_an_overdue_payment_says_what_to_do(
    browser: Browser, platform: Platform, owner: tuple[int, str], width: int, shots: Path, *, dark: bool
) -> None:
    tenant_id, email = owner
    with unit_of_work() as session:
        customer = session.get_one(Tenant, tenant_id).stripe_customer_id or ""
        row = session.query(Subscription).one()
        subscription_id, end = row.id, row.current_period_end
    method = give_card(wiring().stripe_client, customer, FAILS_LATER)
    wiring().stripe_client.v1.subscriptions.update(subscription_id, {"default_payment_method": method})
    assert end is not None
    platform.sandbox.advance(advance_to=end.timestamp() + 7_200)
    wait_until(lambda: has_status("past_due"), "the failed payment")
    page = enter(browser, platform, email, width, dark=dark)
    page.goto(f"{platform.base}/tenants/{tenant_id}/plans")
    expect(page.get_by_role("link", name="Pay now")).to_be_visible()
    page.screenshot(path=shots / f"overdue-{width}.png", full_page=True)
    assert breaches_of(page) == []
    page.context.close()


def test_plans_are_changed_and_cancelled_without_scripts(
    browser: Browser, platform: Platform, owner: tuple[int, str]
) -> None:
    tenant_id, email = owner
    page = enter(browser, platform, email, 1280, dark=False, scripts=False)
    page.goto(f"{platform.base}/tenants/{tenant_id}/plans")
    page.get_by_role("link", name="Change to Enterprise").click()
    page.get_by_role("button", name="Change and pay").click()
    expect(page.get_by_text("Your plan is changed.")).to_be_visible()
    page.get_by_role("link", name="Cancel subscription").click()
    page.get_by_role("button", name="Cancel on").click()
    expect(page.get_by_role("button", name="Take the cancellation back")).to_be_visible()
    page.context.close()
