"""The pages of webhooks: who may see and change them, and what they show."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from dashboard.database import db
from dashboard.models import Role, WebhookDelivery, WebhookEndpoint
from tests.platform import csrf_of, log_in, new_tenant, view_as_staff, work_off
from tests.receiver import Receiver


@pytest.fixture
def more_settings() -> dict[str, object]:
    return {"webhook_allow_private": True}


def add(browser: FlaskClient, tenant_id: int, url: str, *events: str) -> TestResponse:
    page = browser.get(f"/tenants/{tenant_id}/webhooks")
    form = {"csrf_token": csrf_of(page), "url": url, "event_types": list(events)}
    return browser.post(f"/tenants/{tenant_id}/webhooks", data=form)


def act(browser: FlaskClient, page: str, action: str, **form: str) -> TestResponse:
    """Post one of a page's forms and read where it leads."""
    token = csrf_of(browser.get(page))
    return browser.post(f"{page}/{action}", data={"csrf_token": token, **form}, follow_redirects=True)


def test_an_owner_adds_an_endpoint_and_sees_its_secret_once(app: Flask, receiver: Receiver) -> None:
    tenant_id, _ = new_tenant()
    browser = log_in(app, tenant_id)
    assert "There is no endpoint yet." in browser.get(f"/tenants/{tenant_id}/webhooks").text
    added = add(browser, tenant_id, receiver.url, "invoice.paid")
    assert added.status_code == 201
    secret = re.findall(r"whsec_[A-Za-z0-9+/=]+", added.text)[0]
    page = f"/tenants/{tenant_id}/webhooks/1"
    assert receiver.url in browser.get(f"/tenants/{tenant_id}/webhooks").text
    assert "whsec_" not in browser.get(page).text
    assert "A test is on its way." in act(browser, page, "test").text
    work_off()
    assert receiver.received[0].is_signed_with(secret)
    log = browser.get(page).text
    assert "webhook.test" in log
    assert "Delivered" in log
    delivery = browser.get(f"/tenants/{tenant_id}/webhook-deliveries/1").text
    assert "answer 200 xxx" in delivery
    assert "This is a test. Nothing happened." in delivery


def test_what_cannot_be_taken_is_said_at_its_field_and_kept(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    browser = log_in(app, tenant_id)
    wrong = add(browser, tenant_id, "ftp://example.com", "invoice.paid")
    assert wrong.status_code == 422
    assert "The address must begin with http:// or https://." in wrong.text
    assert 'value="ftp://example.com"' in wrong.text
    none = add(browser, tenant_id, "https://example.com")
    assert (none.status_code, "Choose at least one event." in none.text) == (422, True)
    assert db.session.scalar(select(func.count()).select_from(WebhookEndpoint)) == 0


def test_an_endpoint_is_changed_disabled_enabled_and_deleted(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    browser = log_in(app, tenant_id)
    add(browser, tenant_id, "https://example.com/a", "invoice.paid")
    page = f"/tenants/{tenant_id}/webhooks/1"
    token = csrf_of(browser.get(page))
    form = {"csrf_token": token, "url": "https://example.com/b", "event_types": ["invoice.created"]}
    assert "Saved." in browser.post(page, data=form, follow_redirects=True).text
    bad = browser.post(page, data={**form, "url": "nowhere"})
    assert (bad.status_code, "must be a URL such as" in bad.text) == (422, True)
    assert "Somebody disabled it." in act(browser, page, "enabled", enabled="no").text
    assert "Enable it first." in act(browser, page, "test").text
    act(browser, page, "enabled", enabled="yes")
    endpoint = db.session.scalars(select(WebhookEndpoint)).one()
    assert (endpoint.url, endpoint.event_types, endpoint.enabled) == (
        "https://example.com/b",
        ["invoice.created"],
        True,
    )
    assert "The endpoint is deleted." in act(browser, page, "delete").text
    assert browser.get(page).status_code == 404


def test_failed_and_single_deliveries_are_replayed(app: Flask, receiver: Receiver) -> None:
    tenant_id, _ = new_tenant()
    browser = log_in(app, tenant_id)
    add(browser, tenant_id, receiver.url, "invoice.paid")
    page = f"/tenants/{tenant_id}/webhooks/1"
    receiver.statuses = [410]
    act(browser, page, "test")
    work_off()
    shown = browser.get(page).text
    assert "It answered 410 Gone." in shown
    assert "Failed" in shown
    act(browser, page, "enabled", enabled="yes")
    assert "on their way again: 1." in act(browser, page, "replay").text
    work_off()
    single = act(browser, f"/tenants/{tenant_id}/webhook-deliveries/1", "replay")
    assert "The delivery is on its way again." in single.text
    work_off()
    db.session.rollback()
    delivery = db.session.scalars(select(WebhookDelivery)).one()
    assert (delivery.state, delivery.attempts, len(receiver.received)) == ("delivered", 3, 3)


def test_a_long_log_has_older_pages(app: Flask, receiver: Receiver) -> None:
    tenant_id, _ = new_tenant()
    browser = log_in(app, tenant_id)
    add(browser, tenant_id, receiver.url, "invoice.paid")
    page = f"/tenants/{tenant_id}/webhooks/1"
    for _ in range(51):
        act(browser, page, "test")
    first = browser.get(page).text
    older = re.findall(rf'href="({page}\?before=\d+)"', first)
    assert first.count("webhook-deliveries/") == 50
    assert browser.get(older[0]).text.count("webhook-deliveries/") == 1
    assert browser.get(f"{page}?before={2**70}").status_code == 200


def test_a_viewer_and_staff_read_but_change_nothing(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    add(log_in(app, tenant_id), tenant_id, "https://example.com/a", "invoice.paid")
    page = f"/tenants/{tenant_id}/webhooks/1"
    for browser in (log_in(app, tenant_id, Role.VIEWER), view_as_staff(app, tenant_id)):
        token = csrf_of(browser.get(page))
        assert "Delete this endpoint" not in browser.get(page).text
        assert "Add an endpoint" not in browser.get(f"/tenants/{tenant_id}/webhooks").text
        paths = [page, f"{page}/enabled", f"{page}/delete", f"{page}/test", f"{page}/replay"]
        paths += [f"/tenants/{tenant_id}/webhooks", f"/tenants/{tenant_id}/webhook-deliveries/1/replay"]
        answers = [browser.post(path, data={"csrf_token": token}).status_code for path in paths]
        assert answers == [403] * len(paths)


def test_another_tenants_endpoint_is_a_404_under_ones_own_address(app: Flask) -> None:
    (mine, _), (theirs, _) = new_tenant(), new_tenant()
    owner = log_in(app, theirs)
    add(owner, theirs, "https://example.com/a", "invoice.paid")
    act(owner, f"/tenants/{theirs}/webhooks/1", "test")
    browser = log_in(app, mine)
    token = csrf_of(browser.get(f"/tenants/{mine}/webhooks"))
    for tenant_id in (mine, theirs):
        base = f"/tenants/{tenant_id}"
        for path in (f"{base}/webhooks/1", f"{base}/webhook-deliveries/1", f"{base}/webhooks/{2**70}"):
            assert browser.get(path).status_code == 404
        for path in ("webhooks/1/delete", "webhooks/1/test", "webhooks/1/replay", "webhook-deliveries/1/replay"):
            assert browser.post(f"{base}/{path}", data={"csrf_token": token}).status_code == 404


def test_a_form_without_its_token_is_refused(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    browser = log_in(app, tenant_id)
    assert browser.post(f"/tenants/{tenant_id}/webhooks", data={"url": "https://example.com"}).status_code == 400
