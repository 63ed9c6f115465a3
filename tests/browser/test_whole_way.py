"""From one text to one invoice line, in a real browser, through every part there is."""

from __future__ import annotations

import os
import re
from pathlib import Path

import requests
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import func, select

from dashboard.database import db
from dashboard.models import Invoice, Subscription, Tenant, UsageEvent
from dashboard.wiring import unit_of_work
from demo.traffic import open_traffic
from tests.browser.conftest import Platform
from tests.factories import PASSWORD, make_user
from tests.platform import bearer, new_tenant
from tests.sandbox_server import wait_until

DATA = Path(os.environ.get("DEMO_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
TEXTS = 50


def new_page(browser: Browser, platform: Platform, email: str, complaints: list[str]) -> Page:
    """A browser window in which this person has logged in."""
    page = browser.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{platform.base}/login")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page


def ledger(tenant_id: int) -> int:
    db.session.rollback()
    sent = select(func.sum(UsageEvent.quantity)).where(
        UsageEvent.tenant_id == tenant_id, UsageEvent.usage_type == "SMS_SENT"
    )
    return int(db.session.scalar(sent) or 0)


def send_texts(platform: Platform, key: str) -> int:
    """Send real texts through the API; the segments its answers name."""
    texts = open_traffic(DATA).texts
    segments = 0
    for n in range(TEXTS):
        body = {"to": f"+1555123{n + 1_000}", "body": next(texts), "user_id": "ada"}
        answer = requests.post(f"{platform.base}/api/messages/sms", json=body, headers=bearer(key), timeout=20)
        assert answer.status_code == 201, answer.text
        segments += answer.json()["segments"]
    return segments


def paid_renewal() -> Invoice | None:
    db.session.rollback()
    wanted = select(Invoice).where(Invoice.billing_reason == "subscription_cycle", Invoice.status == "paid")
    return db.session.scalars(wanted).first()


def test_a_text_becomes_an_invoice_line(browser: Browser, platform: Platform) -> None:
    tenant_id, key = new_tenant()
    with unit_of_work() as session:
        owner = make_user(session, session.get_one(Tenant, tenant_id)).email
        staff = make_user(session, is_staff=True).email
    complaints: list[str] = []

    page = new_page(browser, platform, owner, complaints)
    page.get_by_role("link", name="Plans").first.click()
    expect(page.get_by_text("You are on Free")).to_be_visible()
    page.get_by_role("button", name="Choose Starter").click()
    expect(page).to_have_url(re.compile(re.escape(platform.sandbox.stripe_base)))
    expect(page.get_by_role("heading", name="Subscribe to Countinghouse Starter")).to_be_visible()
    page.get_by_label("Country").fill("US")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("heading", name="Starter is active")).to_be_visible(timeout=60_000)

    segments = send_texts(platform, key)
    assert segments >= TEXTS
    assert ledger(tenant_id) == segments
    page.goto(f"{platform.base}/usage")
    expect(page.get_by_role("row", name="SMS sent").last).to_contain_text(str(segments))

    office = new_page(browser, platform, staff, complaints)
    office.get_by_role("link", name="Meter sync").first.click()
    office.get_by_role("button", name="Start sync").click()
    expect(office.locator("#sync").get_by_text("Complete")).to_be_visible(timeout=60_000)

    subscription = db.session.scalars(select(Subscription)).one()
    assert subscription.current_period_end is not None
    platform.sandbox.advance(advance_to=subscription.current_period_end.timestamp() + 3_700)
    wait_until(lambda: paid_renewal() is not None, "the paid invoice to arrive by webhook")

    page.goto(f"{platform.base}/invoices")
    page.locator("tbody th a").first.click()
    expect(page.get_by_text("Equal to the unit")).to_be_visible()
    row = page.get_by_role("row", name="SMS sent").last
    assert [cell.strip() for cell in row.get_by_role("cell").all_text_contents()] == [
        str(segments),
        "–",
        str(segments),
        "0",
    ]
    invoice = paid_renewal()
    assert invoice is not None
    billed = sum(line.quantity or 0 for line in invoice.lines if line.usage_type == "SMS_SENT")
    assert billed == ledger(tenant_id) == segments
    assert complaints == []
    page.close()
    office.close()
