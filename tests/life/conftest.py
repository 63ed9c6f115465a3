"""A tenant that buys, with everything a journey needs to go on: its key, its browser, Stripe, the clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import stripe
from flask import Flask
from flask.testing import FlaskClient
from stripe import StripeClient
from werkzeug.test import TestResponse

from dashboard.billing.subscriptions.subscriptions import live_subscription
from dashboard.database import db
from dashboard.models import Subscription, Tenant
from dashboard.wiring import now, unit_of_work, wiring
from tests.factories import usage_body
from tests.platform import bearer, csrf_of, deliver_webhooks, log_in, new_tenant, pay_on, set_up_stripe
from tests.sandbox.shop import give_card
from tests.sandbox_server import SandboxServer

DECLINED_LATER = "4000 0000 0000 0341"


@dataclass
class Buyer:
    """One tenant and its ways in."""

    app: Flask
    tenant_id: int
    key: str
    service: FlaskClient
    browser: FlaskClient
    sandbox: SandboxServer

    @property
    def stripe(self) -> StripeClient:
        """Stripe, to see what it holds."""
        return wiring().stripe_client

    def call(self, method: str, path: str, body: Any = None, key: str | None = None) -> TestResponse:
        """One call of the billing API."""
        headers = bearer(self.key) | ({"Idempotency-Key": key} if key else {})
        return self.service.open(f"/api/billing/{path}", method=method, json=body, headers=headers)

    def do(self, path: str, body: Any = None, key: str | None = None) -> Any:
        """One POST that succeeds: its JSON."""
        answer = self.call("POST", path, body, key)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json

    def see(self) -> Any:
        """The subscription as the API shows it."""
        return self.call("GET", "subscription").json

    def buy(self, plan: str = "starter", interval: str = "monthly", **card: str) -> str:
        """Buy a plan by the API, pay, hear of it. The subscription's id."""
        url = self.do("checkout", {"plan": plan, "interval": interval})["url"]
        pay_on(url, **card)
        self.hear()
        return str(self.see()["id"])

    def hear(self) -> None:
        """Every webhook of the sandbox, newest first."""
        deliver_webhooks(self.service)

    def post(self, path: str, **form: str) -> TestResponse:
        """Send a form of the pages and see where it leads."""
        token = csrf_of(self.browser.get(f"/tenants/{self.tenant_id}/plans"))
        data = {"csrf_token": token, **form}
        return self.browser.post(f"/tenants/{self.tenant_id}/{path}", data=data, follow_redirects=True)

    def page(self, path: str) -> str:
        """A page's text."""
        answer = self.browser.get(f"/tenants/{self.tenant_id}/{path}")
        assert answer.status_code == 200, answer.status
        return str(answer.text)

    def use(self, quantity: int, usage_type: str = "SMS_SENT") -> None:
        """Record usage of now, and let a minute pass: what is billed at once ends with the whole second before."""
        body = usage_body(usage_type=usage_type, quantity=quantity)
        answer = self.service.post("/api/billing/usage/events", json=body, headers=bearer(self.key))
        assert answer.status_code == 201, answer.text
        self.sandbox.advance(advance_by=60)

    def row(self) -> Subscription | None:
        """Our copy of the live subscription."""
        db.session.rollback()
        return live_subscription(db.session(), self.tenant_id)

    def customer(self) -> str:
        """The tenant's customer id."""
        with unit_of_work() as session:
            return session.get_one(Tenant, self.tenant_id).stripe_customer_id or ""

    def use_card(self, token: str) -> str:
        """From now on this test card is charged, of every running subscription too. Its id."""
        method = give_card(self.stripe, self.customer(), token)
        for each in self.subscriptions():
            if each.status not in {"canceled", "incomplete_expired"}:
                self.stripe.v1.subscriptions.update(each.id, {"default_payment_method": method})
        return method

    def subscriptions(self) -> list[stripe.Subscription]:
        """All of the tenant's at Stripe, ended ones too."""
        return self.stripe.v1.subscriptions.list({"customer": self.customer(), "status": "all"}).data

    def advance_to(self, moment: Any) -> None:
        """Let time pass to this moment and two hours more, so that drafts are finalized; hear of it."""
        self.sandbox.advance(advance_to=moment.timestamp() + 7_200)
        self.hear()

    def now(self) -> Any:
        """The moment."""
        return now()


def new_buyer(app: Flask, sandbox: SandboxServer) -> Buyer:
    """A tenant of its own."""
    tenant_id, key = new_tenant()
    return Buyer(app, tenant_id, key, app.test_client(), log_in(app, tenant_id), sandbox)


@pytest.fixture
def buyer(app: Flask, sandbox: SandboxServer) -> Buyer:
    """A tenant on Free, with the catalogue set up. It is 1 January 2027, 00:30 UTC."""
    sandbox.post("/_sandbox/clock", {"set_to": 1_798_763_400})
    set_up_stripe()
    return new_buyer(app, sandbox)
