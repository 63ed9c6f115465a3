"""`make screenshots`: photograph every page of the running demo, wide and narrow, light and dark."""

from __future__ import annotations

import json
import os

from playwright.sync_api import Browser, Page, sync_playwright

from demo.__main__ import BASE, FOLDER, ROOT

OUT = ROOT / ".local" / "shots"
OWN = {
    "overview": "/tenants/1",
    "usage": "/usage",
    "usage-by-user": "/usage?group_by=user",
    "usage-actions": "/tenants/1/usage/actions",
    "invoices": "/invoices",
    "invoice": "/invoices",
    "line": "/invoices",
    "line-day": "/invoices",
    "line-actions": "/invoices",
    "checked": "/invoices",
    "upcoming": "/tenants/1/invoices/upcoming/stripe",
    "late": "/tenants/1/usage/late",
    "plans": "/plans",
    "change": "/tenants/1/plans/change?plan=professional",
    "subscription": "/tenants/1/subscription",
    "cancel": "/tenants/1/subscription/cancel",
    "pause": "/tenants/1/subscription/pause",
    "payment-methods": "/tenants/1/payment-methods",
    "api-keys": "/tenants/1/settings/api-keys",
    "revoke-key": "/tenants/1/settings/api-keys/1/revoke",
    "webhooks": "/tenants/1/webhooks",
    "webhook": "/tenants/1/webhooks/1",
    "delivery": "/tenants/1/webhook-deliveries/1",
    "settings": "/tenants/1/settings",
    "members": "/tenants/1/settings/members",
    "remove-member": "/tenants/1/settings/members",
    "alerts": "/tenants/1/settings/alerts",
    "audit": "/tenants/1/settings/audit",
    "notices": "/tenants/1/notices",
    "own-syncs": "/tenants/1/syncs",
    "reference": "/api/docs",
}
STAFF = {
    "staff": "/staff",
    "tenants": "/staff/tenants",
    "story": "/staff/tenants/1",
    "view": "/staff/tenants/1/view",
    "dead-letters": "/staff/dead-letters",
    "queues": "/staff/queues",
    "staff-audit": "/staff/audit",
    "syncs": "/staff/syncs",
    "sync": "/staff/syncs/1",
    "reconciliation": "/staff/reconciliation",
    "meter-errors": "/staff/meter-errors",
    "proposals": "/staff/proposals",
    "twilio": "/staff/twilio",
    "stripe-webhooks": "/staff/webhooks",
    "stripe-webhook": "/staff/webhooks",
    "subscriptions": "/staff/subscriptions",
    "prices": "/staff/prices",
}
# Pages that have no address known beforehand: the links that lead to them.
ROW, LINE = "tbody th a", "a[href*='/lines/']"
CLICKS = {
    "invoice": (ROW,),
    "checked": (ROW,),
    "line": (ROW, LINE),
    "line-day": (ROW, LINE, ROW),
    "line-actions": (ROW, LINE, ROW, "a[href*='/actions']"),
    "remove-member": ("a[href$='/remove']",),
    "stripe-webhook": (ROW,),
}


def main() -> None:
    """Take them all."""
    OUT.mkdir(parents=True, exist_ok=True)
    logins = json.loads((FOLDER / "card.json").read_text())["logins"]
    owner = next(login for login in logins if login["role"] == "owner")
    staff = next(login for login in logins if login["role"] == "staff")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("BROWSER_PATH"), args=["--no-sandbox"])
        for theme in ("light", "dark"):
            for width in (1280, 360):
                for login, pages in ((owner, OWN), (staff, STAFF)):
                    photograph(browser, theme, width, login, pages)
        browser.close()
    print(f"Screenshots are in {OUT.relative_to(ROOT)}/")


def photograph(browser: Browser, theme: str, width: int, login: dict[str, str], pages: dict[str, str]) -> None:
    """One person's pages in one size and theme."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if theme == "dark" else "light"
    )
    page = context.new_page()
    page.goto(f"{BASE}/login")
    page.screenshot(path=OUT / f"login-{width}-{theme}.png")
    page.get_by_label("Email").fill(login["email"])
    page.get_by_label("Password").fill(login["password"])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda url: "login" not in url)
    for name, path in pages.items():
        visit(page, name, path)
        page.screenshot(path=OUT / f"{name}-{width}-{theme}.png", full_page=name != "usage" or width < 1000)
    context.close()


def visit(page: Page, name: str, path: str) -> None:
    """Go there and wait until all of it is drawn."""
    page.goto(f"{BASE}{path}")
    for link in CLICKS.get(name, ()):
        page.locator(link).first.click()
    if name == "checked":  # the link is there once the schedule has compared the invoice
        page.goto(f"{page.url}/checked")
    page.wait_for_load_state("networkidle")


if __name__ == "__main__":
    main()
