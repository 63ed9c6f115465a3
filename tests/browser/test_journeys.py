"""Whole journeys through the dashboard: an owner from overview to the invoice to come, and staff from what is wrong to
who it is about, both without scripts too; budget, people and keys; an account that has nothing yet.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select, update

from dashboard.billing.mirror.customers import ensure_customer
from dashboard.billing.tenants import invitations
from dashboard.database import db
from dashboard.models import Invitation, Role, StripeEvent, Tenant
from dashboard.wiring import unit_of_work, wiring
from tests.browser.conftest import Platform, window
from tests.factories import PASSWORD, make_user, record
from tests.platform import new_tenant
from tests.web.staff.scenes import make_eventful_tenant


@pytest.fixture
def eventful(shared_platform: Platform) -> tuple[int, str]:
    """A tenant that does not pay and to whom much happened, and its owner's email."""
    with unit_of_work() as session:
        tenant = make_eventful_tenant(session)
        invented, tenant.stripe_customer_id = tenant.stripe_customer_id, None
        session.flush()
        customer = ensure_customer(session, tenant.id, wiring().billing)
        # About another invoice than the one that is shown: replayed, what Stripe does not have goes from the mirror.
        about = {"subject": "invoice:in_other", "object_id": "in_other"}
        told = {"customer_id": customer, "payload": {"id": "evt_1", "type": "invoice.payment_failed"}, **about}
        session.execute(update(StripeEvent).where(StripeEvent.customer_id == invented).values(told))
        for user, quantity in (("ada", 70), ("bob", 30)):
            record(session, tenant, now=wiring().clock.now(), user_id=user, quantity=quantity)
        return tenant.id, make_user(session, tenant, Role.OWNER).email


@pytest.mark.parametrize("scripts", [True, False])
def test_an_owner_sees_what_was_used_and_what_it_will_cost(
    browser: Browser, shared_platform: Platform, eventful: tuple[int, str], *, scripts: bool
) -> None:
    _, owner = eventful
    with window(browser, shared_platform, owner, scripts=scripts) as page:
        for figure in ("Usage so far", "Next invoice, projected", "Next threshold", "Payment"):
            expect(page.get_by_role("term").filter(has_text=figure)).to_be_visible()
        expect(page.get_by_text("Overdue", exact=True)).to_be_visible()
        expect(page.get_by_role("link", name="CH-0001")).to_be_visible()
        go_to(page, "Usage")
        page.get_by_label("Split").select_option("user")
        apply(page, scripts=scripts)
        expect(page.locator(".legend")).to_contain_text("ada 70")
        page.get_by_text("Dates and filters").click()
        page.get_by_label("User", exact=True).fill("bob")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("link", name="User bob")).to_be_visible()
        assert "user=bob" in page.url
        assert sum(int(row["segments"]) for row in download(page, "CSV")) == 30
        page.get_by_role("link", name="Single actions").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        go_to(page, "Invoices")
        page.get_by_role("link", name="Upcoming invoice").click()
        expect(page.get_by_role("term").filter(has_text="Projected")).to_be_visible()
        if not scripts:
            page.get_by_role("link", name="Ask Stripe").click()
        expect(page.get_by_role("link", name="Ask again")).to_be_visible()


def test_an_owner_sets_a_budget_and_looks_after_people_and_keys(
    browser: Browser, shared_platform: Platform, eventful: tuple[int, str]
) -> None:
    tenant_id, owner = eventful
    with window(browser, shared_platform, owner) as page:
        go_to(page, "Settings")
        page.get_by_label("Billing contact").fill("bills@acme.example")
        page.get_by_label("Time zone").select_option("Asia/Tokyo")
        save(page)
        page.get_by_role("link", name="Budgets and alerts").click()
        page.get_by_label("Budget for usage beyond the plan").fill("80.00")
        page.get_by_label("Tell at these percents of it").fill("50, 100")
        page.get_by_label("SMS sent: stop at this number of units").fill("9000")
        save(page)
        go_to(page, "Overview")
        expect(page.get_by_text("of your budget of $80.00")).to_be_visible()
        go_to(page, "Settings")
        page.get_by_role("link", name="API keys").click()
        page.get_by_label("Name: which service will use it").fill("Sender")
        page.get_by_label("Send texts").check()
        page.get_by_role("button", name="Create key").click()
        expect(page.locator("#new-key")).to_have_value(re.compile(rf"^ch_{tenant_id}_\S{{20,}}$"))
        page.get_by_role("link", name="Revoke Sender").click()
        page.get_by_role("button", name="Revoke this key").click()
        expect(page.get_by_text("Sender is revoked")).to_be_visible()
        page.get_by_role("link", name="Members").click()
        page.get_by_label("Email").fill(f"eve-{tenant_id}@acme.example")
        page.get_by_role("button", name="Send invitation").click()
        expect(page.get_by_text("An invitation is on its way")).to_be_visible()
        join(browser, shared_platform, tenant_id)
        page.get_by_role("link", name="Members").click()
        page.get_by_label("Role of Eve", exact=True).select_option("admin")
        page.get_by_role("button", name="Change the role of Eve").click()
        expect(page.get_by_role("link", name="Remove Eve")).to_be_visible()
        page.get_by_role("link", name="Audit").click()
        for done in ("budget", "revoked", "invited", "role"):
            expect(page.locator("tbody")).to_contain_text(re.compile(done, re.IGNORECASE))
        assert {row["actor"] for row in download(page, "CSV")} >= {owner, f"eve-{tenant_id}@acme.example"}


@pytest.mark.parametrize("scripts", [True, False])
def test_staff_go_from_what_is_wrong_to_who_it_is_about(
    browser: Browser, shared_platform: Platform, eventful: tuple[int, str], *, scripts: bool
) -> None:
    tenant_id, _ = eventful
    with unit_of_work() as session:
        staff = make_user(session, is_staff=True).email
    with window(browser, shared_platform, staff, scripts=scripts) as page:
        page.get_by_role("link", name="Webhooks failed").click()
        page.get_by_label("Type begins with").fill("invoice.")
        page.get_by_label("Tenant’s number").fill(str(tenant_id))
        page.get_by_role("button", name="Filter").click()
        assert "state=failed" in page.url
        page.get_by_role("link", name="invoice.payment_failed").click()
        expect(page.get_by_role("region", name="Payload")).to_contain_text("evt_1")
        page.get_by_role("button", name="Replay").click()
        expect(page.get_by_text("The event is being processed again.")).to_be_visible()
        go_to(page, "Dead letters")
        page.get_by_role("button", name="Send again to").first.click()
        expect(page.get_by_text("Failed deliveries on their way again")).to_be_visible()
        go_to(page, "Queues")
        expect(page.get_by_role("heading", name="Workers")).to_be_visible()
        go_to(page, "Meter errors")
        expect(page.get_by_text("the meter is inactive").first).to_be_visible()
        go_to(page, "Meter sync")
        page.get_by_role("button", name="Start sync").click()
        expect(page.get_by_role("heading", name=re.compile(r"Sync \d"))).to_be_visible()
        go_to(page, "Reconciliation")
        page.get_by_role("button", name="Compare now").click()
        expect(page.get_by_text("is being compared now")).to_be_visible()
        go_to(page, "Tenants")
        page.get_by_label("Search").fill(str(tenant_id))
        page.get_by_role("button", name="Find").click()
        page.locator("tbody th a").first.click()
        page.get_by_label("Kind").select_option("invoice")
        page.get_by_role("button", name="Show").click()
        page.get_by_role("link", name="Invoice ").first.click()
        page.get_by_label("Reason").fill("Ticket 4711")
        page.get_by_role("button", name="Begin").click()
        expect(page.get_by_text("as staff, read-only")).to_be_visible()
        expect(page.get_by_role("heading", name="CH-0001")).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("You have stopped viewing as staff.")).to_be_visible()


def test_an_account_without_anything_says_what_to_do_next(browser: Browser, shared_platform: Platform) -> None:
    with unit_of_work() as session:
        tenant = session.get_one(Tenant, new_tenant()[0])
        tenant_id, owner = tenant.id, make_user(session, tenant).email
    with window(browser, shared_platform, owner) as page:
        expect(page.get_by_role("heading", name="First steps")).to_be_visible()
        for path, action in (
            ("usage", "See what your plan includes"),
            ("invoices", "Choose a plan"),
            ("invoices/upcoming", "Choose a plan"),
            ("notices", "See the thresholds"),
            ("usage/actions", "Back to usage"),
        ):
            page.goto(f"/tenants/{tenant_id}/{path}")
            expect(page.locator(".empty").get_by_role("link", name=action)).to_be_visible()


def go_to(page: Page, name: str) -> None:
    """By the links at the side."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name=name, exact=True).click()


def apply(page: Page, *, scripts: bool) -> None:
    """Filters act by themselves, or with their button where there are no scripts."""
    if not scripts:
        page.get_by_role("button", name="Apply").click()


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved.")).to_be_visible()


def download(page: Page, name: str) -> list[dict[str, str]]:
    """The rows of a CSV file behind a link."""
    with page.expect_download() as begun:
        page.get_by_role("link", name=name).click()
    path: Path = begun.value.path()
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def join(browser: Browser, platform: Platform, tenant_id: int) -> None:
    """Open the link of the mail, make an account, and see the tenant's pages."""
    db.session.rollback()
    invitation = db.session.scalars(select(Invitation).where(Invitation.tenant_id == tenant_id)).one()
    token = invitations.token_of(wiring().settings.signing_key, invitation)
    with window(browser, platform) as page:
        page.goto(f"/invitations/{token}")
        page.get_by_label("Your name").fill("Eve")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Password again").fill(PASSWORD)
        page.get_by_role("button", name="Make an account and join").click()
        expect(page.get_by_role("heading", name="Usage", exact=True)).to_be_visible()
