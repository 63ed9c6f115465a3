"""The pages of webhooks in Chromium: accessible, no wider than the screen, usable without scripts."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from dashboard.billing.notices.announcements import announce_test
from dashboard.billing.outgoing_webhooks.outgoing_webhooks import Answer, claim_deliveries, settle_delivery
from dashboard.billing.outgoing_webhooks.webhook_endpoints import create_endpoint
from dashboard.models import Role, Tenant
from dashboard.wiring import now, unit_of_work, wiring
from tests.browser.conftest import Platform, breaches_of, note_policy, window
from tests.factories import make_user
from tests.platform import new_tenant

ANSWERS = (Answer(200, "ok", None, 12), Answer(503, "<html>" + "long" * 200, None, 41), Answer(None, "", "refused", 3))
URL = "https://hooks.example.com/" + "a-long-path/" * 12


@pytest.fixture(scope="module")
def furnished(shared_platform: Platform) -> tuple[Platform, int, str]:
    """A tenant with an endpoint and deliveries of every kind; its owner's email."""
    tenant_id, _ = new_tenant()
    key = wiring().settings.signing_key
    with unit_of_work() as session:
        owner = make_user(session, session.get_one(Tenant, tenant_id), Role.OWNER).email
        endpoint, _ = create_endpoint(
            session, tenant_id, {"url": URL}, signing_key=key, allow_private=False, created_by=owner, now=now()
        )
        endpoint_id = endpoint.id
    for answer in ANSWERS:
        with unit_of_work() as session:
            announce_test(session, tenant_id, endpoint_id, now())
            (claimed,) = claim_deliveries(session, key, now=now(), wall=datetime.now(UTC), limit=1)
            settle_delivery(session, claimed, answer, now())
    return shared_platform, tenant_id, owner


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 320)])
def test_every_webhook_page_is_accessible_and_fits(
    browser: Browser,
    furnished: tuple[Platform, int, str],
    theme: Literal["light", "dark"],
    width: int,
    shots: Path,
) -> None:
    platform, tenant_id, owner = furnished
    problems: list[str] = []
    with window(browser, platform, owner, theme=theme, width=width) as page:
        page.on("console", partial(note_policy, problems))
        for path in ("webhooks", "webhooks/1", "webhook-deliveries/1", "webhook-deliveries/2"):
            page.goto(f"/tenants/{tenant_id}/{path}")
            problems += [f"{path} ({theme}, {width}): {problem}" for problem in breaches_of(page)]
            page.screenshot(path=shots / f"{path.replace('/', '-')}-{width}-{theme}.png", full_page=True)
    assert problems == []


def test_an_endpoint_is_added_and_deleted_without_scripts(
    browser: Browser, furnished: tuple[Platform, int, str]
) -> None:
    platform, tenant_id, owner = furnished
    with window(browser, platform, owner, scripts=False) as page:
        page.goto(f"/tenants/{tenant_id}/usage")
        page.get_by_role("link", name="Settings").first.click()
        page.get_by_role("link", name="Webhooks").first.click()
        page.get_by_label("Address").fill("https://example.com/hooks")
        page.get_by_label("invoice.created").uncheck()
        page.get_by_role("button", name="Add endpoint").click()
        expect(page.get_by_label("Secret", exact=True)).to_have_value(re.compile(r"^whsec_[A-Za-z0-9+/]{43}=$"))
        page.get_by_role("link", name="I have copied it").click()
        expect(page.get_by_text("Nothing has been sent yet.")).to_be_visible()
        expect(page.get_by_label("invoice.created")).not_to_be_checked()
        page.get_by_text("Delete this endpoint").click()
        page.get_by_role("button", name="Delete for good").click()
        expect(page.get_by_text("The endpoint is deleted.")).to_be_visible()
