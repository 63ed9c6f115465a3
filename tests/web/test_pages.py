"""Pages: who may see them, what they show, and that they stand without scripts."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.models import Role
from dashboard.web.auth import _safe_next
from tests.factories import usage_body
from tests.platform import bearer, buy, csrf_of, deliver_webhooks, log_in, new_tenant, set_up_stripe, view_as_staff

PAGES = ["usage", "invoices", "plans"]
MORE = ["usage/actions", "subscription", "payment-methods"]


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_is_sent_to_the_login_and_back(client: FlaskClient, page: str) -> None:
    tenant_id, _ = new_tenant()
    answer = client.get(f"/tenants/{tenant_id}/{page}")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/login?next=/tenants/{tenant_id}/{page}"


@pytest.mark.parametrize("page", [*PAGES, *MORE, "invoices/in_1", "plans/checkout/return"])
def test_another_tenants_page_is_a_404(app: Flask, page: str) -> None:
    (mine, _), (theirs, _) = new_tenant(), new_tenant()
    browser = log_in(app, mine)
    assert browser.get(f"/tenants/{theirs}/{page}").status_code == 404
    assert browser.get(f"/tenants/{2**70}/{page}").status_code == 404


def test_another_tenants_invoice_is_a_404_under_ones_own_address(app: Flask, client: FlaskClient) -> None:
    set_up_stripe()
    (mine, _), (theirs, _) = new_tenant(), new_tenant()
    buy(log_in(app, theirs), theirs)
    deliver_webhooks(client)
    page = log_in(app, theirs).get(f"/tenants/{theirs}/invoices")
    (invoice_id,) = set(re.findall(rf"/tenants/{theirs}/invoices/(in_\w+)", page.text))
    assert log_in(app, theirs).get(f"/tenants/{theirs}/invoices/{invoice_id}").status_code == 200
    assert log_in(app, mine).get(f"/tenants/{mine}/invoices/{invoice_id}").status_code == 404


@pytest.mark.parametrize("path", ["/staff/syncs", "/staff/syncs/1"])
def test_staff_pages_are_for_staff(app: Flask, path: str) -> None:
    tenant_id, _ = new_tenant()
    assert log_in(app, tenant_id).get(path).status_code == 404
    assert log_in(app, staff=True).get("/staff/syncs").status_code == 200


def test_staff_read_every_tenant_but_buy_for_none(app: Flask) -> None:
    set_up_stripe()
    tenant_id, _ = new_tenant()
    browser = view_as_staff(app, tenant_id)
    page = browser.get(f"/tenants/{tenant_id}/plans")
    assert page.status_code == 200
    assert "Choose Starter" not in page.text
    form = {"csrf_token": csrf_of(page), "plan": "starter"}
    assert browser.post(f"/tenants/{tenant_id}/plans/checkout", data=form).status_code == 403


def test_a_viewer_reads_but_cannot_buy(app: Flask) -> None:
    set_up_stripe()
    tenant_id, _ = new_tenant()
    browser = log_in(app, tenant_id, Role.VIEWER)
    page = browser.get(f"/tenants/{tenant_id}/plans")
    assert "Only an owner or admin can choose a plan." in page.text
    form = {"csrf_token": csrf_of(page), "plan": "starter"}
    assert browser.post(f"/tenants/{tenant_id}/plans/checkout", data=form).status_code == 403


def test_a_form_without_its_token_is_refused(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    browser = log_in(app, tenant_id)
    assert browser.post(f"/tenants/{tenant_id}/plans/checkout", data={"plan": "starter"}).status_code == 400
    assert browser.post("/logout").status_code == 400


@pytest.mark.parametrize("plan", ["free", "gold", ""])
def test_a_plan_that_is_not_sold_is_refused_with_those_that_are(app: Flask, plan: str) -> None:
    set_up_stripe()
    tenant_id, _ = new_tenant()
    browser = log_in(app, tenant_id)
    token = csrf_of(browser.get(f"/tenants/{tenant_id}/plans"))
    form = {"csrf_token": token, "plan": plan}
    answer = browser.post(f"/tenants/{tenant_id}/plans/checkout", data=form, follow_redirects=True)
    assert (
        "cannot be bought" in answer.text
        if plan == "free"
        else "one of starter, professional, enterprise" in answer.text
    )


def test_the_return_from_checkout_waits_for_the_webhook(app: Flask, client: FlaskClient) -> None:
    set_up_stripe()
    tenant_id, _ = new_tenant()
    browser = log_in(app, tenant_id)
    buy(browser, tenant_id)
    page = f"/tenants/{tenant_id}/plans/checkout/return"
    assert "Waiting for Stripe" in browser.get(page).text
    assert "confirmation is late" in browser.get(f"{page}?polls=30").text
    deliver_webhooks(client)
    done = browser.get(page).text
    assert "Starter is active" in done
    assert "hx-trigger" not in done


def test_a_second_subscription_is_not_sold(app: Flask, client: FlaskClient) -> None:
    set_up_stripe()
    tenant_id, _ = new_tenant()
    browser = log_in(app, tenant_id)
    buy(browser, tenant_id)
    deliver_webhooks(client)
    page = browser.get(f"/tenants/{tenant_id}/plans")
    assert "Choose Professional" not in page.text
    form = {"csrf_token": csrf_of(page), "plan": "professional"}
    answer = browser.post(f"/tenants/{tenant_id}/plans/checkout", data=form)
    assert answer.headers["Location"].endswith(f"/tenants/{tenant_id}/plans")


def test_the_usage_page_shows_what_was_recorded(app: Flask, client: FlaskClient) -> None:
    set_up_stripe()
    tenant_id, key = new_tenant()
    for quantity in (3, 4):
        client.post("/api/billing/usage/events", json=usage_body(quantity=quantity), headers=bearer(key))
    page = log_in(app, tenant_id).get(f"/tenants/{tenant_id}/usage").text
    assert "<b>7</b>" in page
    assert 'hx-get="' in page
    assert 'action="' in page


@pytest.mark.parametrize("query", ["period=1999-01-01", "family=faxes"])
def test_a_period_or_family_there_is_not_is_a_404(app: Flask, query: str) -> None:
    tenant_id, _ = new_tenant()
    assert log_in(app, tenant_id).get(f"/tenants/{tenant_id}/usage?{query}").status_code == 404


def test_a_nul_in_an_address_or_an_email_finds_nothing(app: Flask, client: FlaskClient) -> None:
    tenant_id, _ = new_tenant()
    assert log_in(app, tenant_id).get(f"/tenants/{tenant_id}/invoices/%00").status_code == 404
    form = {"csrf_token": csrf_of(client.get("/login")), "email": "a\x00@b.example", "password": "x"}
    assert client.post("/login", data=form).status_code == 422


def test_short_addresses_lead_to_ones_own_tenant(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    browser = log_in(app, tenant_id)
    for page in PAGES:
        assert browser.get(f"/{page}").headers["Location"] == f"/tenants/{tenant_id}/{page}"
    assert browser.get("/usage?family=ai").headers["Location"] == f"/tenants/{tenant_id}/usage?family=ai"
    assert browser.get("/").headers["Location"] == f"/tenants/{tenant_id}"
    assert log_in(app, staff=True).get("/").headers["Location"] == "/staff"


def test_every_answer_carries_the_policy(client: FlaskClient) -> None:
    policy = client.get("/login").headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy


def test_our_files_have_the_prefix_under_which_the_application_is_asked_for(client: FlaskClient) -> None:
    assert 'href="/billing/static/css/' in client.get("/login", base_url="http://localhost/billing").text
    assert 'href="/static/css/' in client.get("/login").text


def test_wrong_passwords_are_slowed_down(client: FlaskClient, app: Flask) -> None:
    tenant_id, _ = new_tenant()
    log_in(app, tenant_id)
    form = {"csrf_token": csrf_of(client.get("/login")), "email": "eve@tenant.example", "password": "wrong"}
    answers = [client.post("/login", data=form).status_code for _ in range(9)]
    assert answers == [422] * 8 + [429]


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https://evil.example"])
def test_a_login_leads_nowhere_else(target: str) -> None:
    assert _safe_next(target) is None
    assert _safe_next("/tenants/1/usage?period=2026-01-01") == "/tenants/1/usage?period=2026-01-01"
