"""Ways into the application that several tests take: keys, logins, the worker, a plan bought through the sandbox."""

from __future__ import annotations

import re
from datetime import date
from itertools import count
from typing import Any

import requests
from flask import Flask
from flask.testing import FlaskClient
from rq import Queue, SimpleWorker
from stripe import WebhookSignature
from werkzeug.test import TestResponse

from dashboard.billing.tenants import api_keys
from dashboard.database import db
from dashboard.integrations.stripe.catalog_setup import set_up_catalog
from dashboard.jobs.queues import QUEUES
from dashboard.models import Role, Tenant
from dashboard.web.api.known_callers import known_callers
from dashboard.wiring import now, unit_of_work, wiring
from tests.factories import PASSWORD, make_tenant, make_user
from tests.sandbox.shop import CARD


class IsolatedClient(FlaskClient):
    """A client whose requests share nothing with the test's own application context, nor with each other."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        """One request, in a context of its own."""
        with self.application.app_context():
            return super().open(*args, **kwargs)


_set_up: dict[date, Any] = {}
_senders = count(15_005_560_000)


def new_tenant(*, sms_from: str | None = "") -> tuple[int, str]:
    """A stored tenant and its API key; it has a number of its own unless `sms_from` says otherwise."""
    if sms_from == "":
        sms_from = f"+{next(_senders)}"
    with unit_of_work() as session:
        tenant = make_tenant(session, sms_from=sms_from, now=now())
        key = api_keys.create_api_key(session, tenant.id, "tests", now())
        return tenant.id, key


def log_in(app: Flask, tenant_id: int | None = None, role: Role = Role.OWNER, *, staff: bool = False) -> FlaskClient:
    """A browser in which a member of the tenant, or staff, has logged in through the form."""
    with unit_of_work() as session:
        tenant = session.get(Tenant, tenant_id) if tenant_id else None
        email = make_user(session, tenant, role, is_staff=staff).email
    client = app.test_client()
    form = {"csrf_token": csrf_of(client.get("/login")), "email": email, "password": PASSWORD}
    assert client.post("/login", data=form).status_code == 303
    return client


def view_as_staff(app: Flask, tenant_id: int) -> FlaskClient:
    """A browser of staff in which a view of the tenant has begun."""
    client = log_in(app, staff=True)
    address = f"/staff/tenants/{tenant_id}/view"
    form = {"csrf_token": csrf_of(client.get(address)), "reason": "tests"}
    assert client.post(address, data=form).status_code == 303
    return client


def csrf_of(page: TestResponse) -> str:
    """The token of a page's first form."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found, page.text[:500]
    return found.group(1)


def a_second_later() -> None:
    """What was known of API keys a second ago is not known any more."""
    known_callers.forget()


def bearer(key: str) -> dict[str, str]:
    """The header of an API key."""
    return {"Authorization": f"Bearer {key}"}


def run_command(app: Flask, *arguments: str, code: int = 0) -> str:
    """What a command of the operator prints; it must end with this exit status."""
    result = app.test_cli_runner().invoke(args=[*arguments])
    assert result.exit_code == code, result.output
    return result.output.strip()


def set_up_stripe() -> None:
    """The catalogue at the sandbox, as `flask stripe setup` brings it there.

    An empty sandbox gets what the first set-up of this day made there (66 calls); the set-up then finds it all.
    """
    parts, day = wiring(), now().date()
    address = f"{parts.settings.stripe_api_base}/_sandbox/things"
    is_plain = not parts.pins.plans and not parts.pins.meters and parts.settings.catalog_file is None
    is_first = is_plain and requests.get(address, timeout=30).json() == {"things": []}
    if is_first and day in _set_up:
        assert requests.post(address, json=_set_up[day], timeout=30).status_code == 200
    with unit_of_work() as session:
        set_up_catalog(session, parts.stripe_client, parts.pins)
    if is_first and day not in _set_up:
        _set_up[day] = requests.get(address, timeout=30).json()


def work_off() -> None:
    """Let a real worker do every job there is."""
    db.session.remove()
    connection = wiring().redis
    queues = [Queue(name, connection=connection) for name in QUEUES]
    SimpleWorker(queues, connection=connection).work(burst=True, logging_level="ERROR")


def buy(
    client: FlaskClient, tenant_id: int, plan: str = "starter", interval: str = "monthly", **card: str
) -> TestResponse:
    """Choose a plan and pay on the hosted page; the answer of our checkout."""
    page = client.get(f"/tenants/{tenant_id}/plans")
    form = {"csrf_token": csrf_of(page), "plan": plan, "interval": interval}
    answer = client.post(f"/tenants/{tenant_id}/plans/checkout", data=form)
    assert answer.status_code == 303, answer.text
    pay_on(answer.headers["Location"], **card)
    return answer


def pay_on(url: str, **card: str) -> None:
    """Fill in a hosted page."""
    paid = requests.post(url, data={**CARD, **card}, timeout=10, allow_redirects=False)
    assert paid.status_code == 303, paid.text


def deliver_webhooks(client: FlaskClient) -> int:
    """Hand every event of the sandbox to our webhook route, newest first: order must not matter. Answers how many."""
    events = wiring().stripe_client.v1.events.list({"limit": 100})
    count = 0
    for event in events.auto_paging_iter():
        body = str(event)
        header = WebhookSignature.generate_signature_header(payload=body, secret="whsec_of_the_tests")
        answer = client.post("/api/billing/webhook", data=body, headers={"Stripe-Signature": header})
        assert answer.status_code == 200, answer.text
        count += 1
    work_off()
    return count
