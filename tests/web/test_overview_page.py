"""The overview: where members land, what it tells, and the first steps of a new tenant."""

from __future__ import annotations

import re
import shlex
from html import unescape

from flask import Flask
from flask.testing import FlaskClient

from dashboard.billing.limits.limits import set_budget
from dashboard.models import Role
from dashboard.wiring import now, unit_of_work
from tests.factories import usage_body
from tests.platform import bearer, buy, deliver_webhooks, log_in, new_tenant, set_up_stripe
from tests.web.test_usage_pages import OF_THE_SHELL, counted


def test_the_first_call_that_is_shown_works(app: Flask, client: FlaskClient) -> None:
    tenant_id, key = new_tenant()
    browser = log_in(app, tenant_id)
    page = browser.get(f"/tenants/{tenant_id}").text
    assert "First steps" in page
    call = re.search(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    assert call
    words = shlex.split(unescape(call[1]).replace("\\\n", "").replace("$KEY", key))
    headers = dict(words[n + 1].split(": ", 1) for n, word in enumerate(words) if word == "-H")
    address = words[3].removeprefix("http://127.0.0.1:5000")
    assert client.post(address, data=words[-1], headers=headers).status_code == 201
    page = browser.get(f"/tenants/{tenant_id}").text
    assert "First steps" not in page
    assert "SMS sent" in page


def test_a_viewer_of_a_new_tenant_is_not_sent_where_it_may_not_go(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    page = log_in(app, tenant_id, Role.VIEWER).get(f"/tenants/{tenant_id}").text
    assert "Free plan" in page
    assert "/settings/api-keys" not in page


def test_a_subscriber_sees_plan_money_invoices_and_budget_in_six_queries(app: Flask, client: FlaskClient) -> None:
    set_up_stripe()
    tenant_id, key = new_tenant()
    browser = log_in(app, tenant_id)
    buy(browser, tenant_id)
    deliver_webhooks(client)
    client.post("/api/billing/usage/events", json=usage_body(quantity=1_500), headers=bearer(key))
    with unit_of_work() as session:
        set_budget(session, tenant_id, 100_000, "usd", set_by="test", now=now())
    with counted() as sent:
        page = browser.get(f"/tenants/{tenant_id}").text
    assert len(sent) - OF_THE_SHELL <= 6, sent
    assert "Starter plan: active" in page
    assert "of your budget of $1,000.00" in page
    assert "In order" in page
    assert page.count("/invoices/in_") == 1


def test_another_tenants_overview_is_a_404(app: Flask) -> None:
    (mine, _), (theirs, _) = new_tenant(), new_tenant()
    assert log_in(app, mine).get(f"/tenants/{theirs}").status_code == 404
