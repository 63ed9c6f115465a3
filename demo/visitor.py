"""A person with a browser, as far as forms and redirects go: logs in, buys a plan, ends a subscription."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urljoin

import requests


class Visitor:
    """One browser session."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.http = requests.Session()

    def log_in(self, email: str, password: str) -> None:
        """Log in through the form."""
        page = self.http.get(f"{self.base}/login", timeout=10)
        form = {"csrf_token": csrf_token(page.text), "email": email, "password": password}
        answer = self.http.post(f"{self.base}/login", data=form, timeout=10, allow_redirects=False)
        if answer.status_code != 303:
            raise RuntimeError(f"login of {email} failed with {answer.status_code}")

    def buy_plan(self, tenant_id: int, plan: str) -> None:
        """Choose a plan and pay on the hosted page."""
        hosted = self._post(f"{self.base}/tenants/{tenant_id}/plans/checkout", {"plan": plan})
        paid = self._submit(hosted, marker='id="pay"')
        if paid.status_code not in {302, 303}:
            raise RuntimeError(f"payment failed with {paid.status_code}: {paid.text[:300]}")

    def end_subscription(self, tenant_id: int) -> None:
        """End the subscription at the end of its period, in the hosted portal."""
        portal = self._post(f"{self.base}/tenants/{tenant_id}/portal", {})
        ended = self._submit(portal, marker='id="cancel"')
        if ended.status_code >= 400:
            raise RuntimeError(f"cancellation failed with {ended.status_code}: {ended.text[:300]}")

    def _post(self, url: str, form: dict[str, str]) -> requests.Response:
        """Send a form of ours, with its token, and follow it to the hosted page."""
        plans = self.http.get(url.replace("/plans/checkout", "/plans").replace("/portal", "/plans"), timeout=10)
        form = {**form, "csrf_token": csrf_token(plans.text)}
        answer = self.http.post(url, data=form, timeout=20)
        answer.raise_for_status()
        return answer

    def _submit(self, page: requests.Response, marker: str) -> requests.Response:
        """Send the form of a hosted page that holds `marker`, with what is filled in already."""
        form = next(part for part in re.findall(r"<form.*?</form>", page.text, re.S) if marker in part)
        action = re.search(r'action="([^"]*)"', form)
        fields = {}
        for tag in re.findall(r"<(?:input|button)[^>]*>", form):
            attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
            if "name" in attributes:
                fields[attributes["name"]] = unescape(attributes.get("value", ""))
        for name, value in (("email", "billing@example.com"), ("country", "US")):
            if fields.get(name) == "":
                fields[name] = value
        target = urljoin(page.url, unescape(action.group(1))) if action else page.url
        return self.http.post(target, data=fields, timeout=20, allow_redirects=False)


def csrf_token(html: str) -> str:
    """The token of the first form of a page."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', html) or re.search(
        r'value="([^"]+)"[^>]*name="csrf_token"', html
    )
    if not found:
        raise RuntimeError("the page has no form")
    return found.group(1)
