"""How pages look and work: nothing axe objects to, no sideways scroll, no scripts needed, in light and dark, and light
to load.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Literal

import pytest
import requests
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from dashboard.billing.invoices.invoices import sync_invoice
from dashboard.billing.notices.announcements import announce_test
from dashboard.billing.outgoing_webhooks.webhook_endpoints import create_endpoint
from dashboard.billing.tenants import invitations
from dashboard.database import db
from dashboard.jobs.metering import start_sync
from dashboard.jobs.reconciliation import reconcile_period
from dashboard.jobs.telephony_check import check_twilio_day
from dashboard.models import (
    Invoice,
    Role,
    StripeEvent,
    Subscription,
    SyncRun,
    SyncState,
    Tenant,
)
from dashboard.wiring import now, unit_of_work, wiring
from tests.browser.conftest import Platform, breaches_of, note_policy, window
from tests.browser.invoices import DAY, paid_invoice, record_paid_usage
from tests.factories import make_user, usage_body
from tests.platform import bearer, buy, log_in, new_tenant
from tests.sandbox_server import wait_until
from tests.web.staff.scenes import make_eventful_tenant
from tests.web.walking import World, ids_of, rules

# Whoever has a page of their own: the owner of a tenant, staff, and who has not logged in.
READERS = {"tenant": "owner", "staff": "staff", "auth": None, "invitations": None, "reference": None}
# They lead to another page, which is looked at as itself.
ELSEWHERE = {"auth.home", "auth.own_usage", "auth.own_invoices", "auth.own_plans"}
# What a page shows of itself when asked for it.
VARIANTS = {
    "tenant.usage": ("", "?family=storage", "?group_by=user"),
    "tenant.plans": ("", "?interval=yearly"),
    "tenant.preview_plan": ("?plan=professional",),
    "tenant.audit": ("", "?actor=nobody"),
    "staff.webhooks": ("", "?state=failed"),
}
MAIN = ("/tenants/{}", "/tenants/{}/usage", "/tenants/{}/invoices", "/tenants/{}/invoices/in_1", "/tenants/{}/plans")
WATCH_SHIFTS = """
    window.shifts = [];
    window.noteShifts = (entries) => entries.forEach((each) => window.shifts.push(
        [each.value, each.sources.map((source) => source.node?.outerHTML?.slice(0, 120) ?? '')]));
    window.watcher = new PerformanceObserver((list) => window.noteShifts(list.getEntries()));
    window.watcher.observe({type: 'layout-shift', buffered: true});
"""
LOOKS: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1280), ("dark", 320))
SLOW = {"offline": False, "latency": 20, "downloadThroughput": 30_000, "uploadThroughput": 100_000}  # ms, bytes/s
LIMIT = 80 * 1024  # bytes over the wire for whoever comes for the first time


@dataclass(frozen=True, slots=True)
class Furnished:
    """A tenant with something on each of its pages, another to whom everything happened, and who looks at them."""

    platform: Platform
    world: World
    emails: dict[str, str]

    @property
    def tenant(self) -> str:
        """The address of the tenant's overview."""
        return f"/tenants/{self.world.tenant_id}"


@pytest.fixture(scope="module")
def furnished(shared_platform: Platform) -> Furnished:
    """A tenant that bought a plan, with invoices, usage, a sync, an endpoint and an invitation."""
    tenant_id, key = new_tenant()
    buy(log_in(shared_platform.app, tenant_id), tenant_id)
    kinds = ("SMS_SENT", "SMS_RECEIVED", "AI_MESSAGE_GENERATED", "CALL_DURATION_SECONDS", "STORAGE_USED_MB")
    events = [usage_body(usage_type=kind, quantity=n * 30) for kind in kinds for n in range(1, 6)]
    url = f"{shared_platform.base}/api/billing/usage/events"
    assert requests.post(url, json={"events": events}, headers=bearer(key), timeout=10).status_code == 201
    with unit_of_work() as session:
        tenant = session.get_one(Tenant, tenant_id)
        emails = {"owner": make_user(session, tenant, Role.OWNER).email}
        emails["staff"] = make_user(session, is_staff=True).email
        viewer = make_user(session, tenant, Role.VIEWER).id
        record_paid_usage(session, tenant)
        make_eventful_tenant(session)
    wait_until(has_invoice, "the first invoice")
    later = add_what_happens_later(tenant_id, emails["owner"])
    ids = {**ids_of(tenant_id), **later, "user_id": viewer}
    return Furnished(shared_platform, World(tenant_id, key, ids), emails)


def add_what_happens_later(tenant_id: int, owner: str) -> dict[str, object]:
    """A delivery, an invitation, an invoice with usage, a sync, what was checked; their ids, by their names in
    addresses.
    """
    signing_key = wiring().settings.signing_key
    with unit_of_work() as session:
        customer = session.get_one(Tenant, tenant_id).stripe_customer_id or ""
        sync_invoice(session, paid_invoice(session, customer), now())
        endpoint, _ = create_endpoint(
            session,
            tenant_id,
            {"url": "https://hooks.example.com/a"},
            signing_key=signing_key,
            allow_private=True,
            created_by=owner,
            now=now(),
        )
        announce_test(session, tenant_id, endpoint.id, now())
        invitation = invitations.invite(
            session,
            tenant_id,
            email="new@tenant.example",
            role="viewer",
            acting_role="owner",
            invited_by=owner,
            now=now(),
        )
        session.flush()
        token = invitations.token_of(signing_key, invitation)
        event_id = session.scalars(select(StripeEvent.id).where(StripeEvent.customer_id == customer)).first()
        start = session.scalars(
            select(Subscription.current_period_start).where(Subscription.tenant_id == tenant_id)
        ).one()
        endpoint_id = endpoint.id
    run_id = start_sync("tests", tenant_id)
    wait_until(lambda: is_complete(run_id), "the meter sync")
    assert start is not None
    reconcile_period(tenant_id, start)
    yesterday = (now() - timedelta(days=1)).date().isoformat()
    check_twilio_day(yesterday)
    return {
        "run_id": run_id,
        "sync_id": run_id,
        "invoice_id": "in_1",
        "position": 2,
        "token": token,
        "event_id": event_id,
        "period": str(int(start.timestamp())),
        "endpoint_id": endpoint_id,
        "twilio_day": yesterday,
    }


def has_invoice() -> bool:
    db.session.rollback()
    return db.session.scalars(select(Invoice).where(Invoice.status == "paid")).first() is not None


def is_complete(run_id: int) -> bool:
    db.session.rollback()
    return db.session.get_one(SyncRun, run_id).state == SyncState.COMPLETE


def addresses(furnished: Furnished) -> dict[str | None, list[str]]:
    """The pages of each reader: every route that answers to GET, with what each shows of itself when asked."""
    found: dict[str | None, list[str]] = {reader: [] for reader in READERS.values()}
    for rule in rules(furnished.platform.app, "GET"):
        blueprint = rule.endpoint.partition(".")[0]
        if blueprint in READERS and rule.endpoint not in ELSEWHERE:
            day = furnished.world.ids["twilio_day"] if blueprint == "staff" else DAY.date().isoformat()
            address = furnished.world.address(rule, day=day)
            found[READERS[blueprint]] += [address + query for query in VARIANTS.get(rule.endpoint, ("",))]
    return found


def test_every_page_is_accessible_and_fits(browser: Browser, furnished: Furnished) -> None:
    """Each page light and wide, then dark and as narrow as it gets: colours do not depend on the width, nor room on the
    theme, so the other two pairs would tell nothing new. `make screenshots` takes all four for people to look at.
    """
    problems: list[str] = []
    for reader, paths in addresses(furnished).items():
        email = furnished.emails[reader] if reader else None
        with window(browser, furnished.platform, email) as page:
            page.on("console", partial(note_policy, problems))
            for path in (*paths, f"{furnished.tenant}/nothing"):
                answer = page.goto(path)
                wanted = 404 if path.endswith("/nothing") else 200
                if answer is None or answer.status != wanted:
                    problems.append(f"{path} answers {answer and answer.status}: give it in this world what it shows")
                for theme, width in LOOKS:
                    page.emulate_media(color_scheme=theme)
                    page.set_viewport_size({"width": width, "height": 900})
                    problems += [f"{path} ({theme}, {width}): {problem}" for problem in breaches_of(page)]
    assert problems == []


def test_whoever_comes_first_loads_little(browser: Browser, furnished: Furnished) -> None:
    """At most 80 kB over the wire with nothing kept from before, on the main pages."""
    problems = []
    for email, paths in main_pages(furnished):
        with window(browser, furnished.platform, email) as known:
            cookies: Any = known.context.storage_state()
        for path in paths:
            context = browser.new_context(base_url=furnished.platform.base, storage_state=cookies)
            sizes = load(context.new_page(), path)
            if sum(sizes.values()) > LIMIT:
                problems.append(f"{path} loads {sum(sizes.values())} bytes: {sizes}")
            context.close()
    assert problems == []


def test_nothing_jumps_while_a_page_comes_in_slowly(browser: Browser, furnished: Furnished) -> None:
    """No layout shift on the main pages where their HTML arrives in many pieces over a second or more."""
    problems = []
    for email, paths in main_pages(furnished):
        with window(browser, furnished.platform, email) as page:
            page.set_extra_http_headers({"Accept-Encoding": "identity"})
            page.goto(paths[0], wait_until="networkidle")
            tools = page.context.new_cdp_session(page)
            tools.send("Network.enable")
            tools.send("Network.emulateNetworkConditions", SLOW)
            page.add_init_script(WATCH_SHIFTS)
            for path in paths:
                page.goto(path)
                page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
                problems += [
                    f"{path} jumps: {each}" for each in page.evaluate("noteShifts(watcher.takeRecords()), shifts")
                ]
    assert problems == []


def main_pages(furnished: Furnished) -> list[tuple[str | None, list[str]]]:
    """The addresses of the main pages of each reader."""
    emails, tenant = furnished.emails, furnished.world.tenant_id
    return [
        (None, ["/login"]),
        (emails["owner"], [path.format(tenant) for path in MAIN]),
        (emails["staff"], ["/staff", "/staff/webhooks", f"/staff/tenants/{tenant}"]),
    ]


def load(page: Page, path: str) -> dict[str, int]:
    """The bytes over the wire of everything a page loads, by address."""
    urls: dict[str, str] = {}
    sizes: dict[str, int] = {}
    tools = page.context.new_cdp_session(page)
    tools.on("Network.requestWillBeSent", lambda sent: urls.update({sent["requestId"]: sent["request"]["url"]}))
    tools.on("Network.loadingFinished", lambda done: sizes.update({urls[done["requestId"]]: done["encodedDataLength"]}))
    tools.send("Network.enable")
    page.goto(path, wait_until="networkidle")
    return sizes


def test_pages_work_without_scripts(browser: Browser, furnished: Furnished) -> None:
    with window(browser, furnished.platform, furnished.emails["owner"], scripts=False) as page:
        page.goto(f"{furnished.tenant}/usage")
        page.get_by_label("Usage", exact=True).select_option("ai")
        page.get_by_role("button", name="Apply").click()
        expect(page.get_by_role("heading", name="AI per day")).to_be_visible()
        page.get_by_role("link", name="Invoices").first.click()
        page.locator("tbody th a").first.click()
        expect(page.get_by_text("Starter plan, monthly")).to_be_visible()
        page.get_by_role("link", name="Plans").first.click()
        page.get_by_role("link", name="Yearly").click()
        expect(page.get_by_text("$290.00")).to_be_visible()


def test_the_period_and_family_change_in_place_and_have_an_address(browser: Browser, furnished: Furnished) -> None:
    with window(browser, furnished.platform, furnished.emails["owner"]) as page:
        page.goto(f"{furnished.tenant}/usage")
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
