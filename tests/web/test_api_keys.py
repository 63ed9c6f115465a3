"""API keys: what they may do, how long, and their page."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select

from dashboard.billing.tenants import api_keys
from dashboard.database import db
from dashboard.models import ApiKey, Role
from dashboard.wiring import now, unit_of_work
from tests.factories import usage_body
from tests.platform import a_second_later, bearer, csrf_of, log_in, new_tenant, view_as_staff

URL = "/api/billing/usage/events"


def new_key(tenant_id: int, *scopes: str, expires_at: datetime | None = None) -> str:
    with unit_of_work() as session:
        return api_keys.create_api_key(
            session, tenant_id, "limited", now(), scopes=scopes or api_keys.ALL_SCOPES, expires_at=expires_at
        )


def stored_key(name: str = "limited") -> ApiKey:
    db.session.rollback()
    return db.session.scalars(select(ApiKey).where(ApiKey.name == name)).one()


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", URL, "usage:write"),
        ("GET", f"{URL}/1", "usage:read"),
        ("POST", f"{URL}/1/reversal", "usage:write"),
        ("GET", "/api/billing/usage", "usage:read"),
        ("GET", "/api/billing/usage/SMS_SENT", "usage:read"),
        ("POST", "/api/billing/usage/sync", "sync:run"),
        ("GET", "/api/billing/usage/sync/1", "sync:run"),
        ("POST", "/api/messages/sms", "messages:send"),
        ("GET", "/api/messages/sms/1", "messages:send"),
    ],
)
def test_a_key_without_the_scope_is_a_403_that_names_it(
    client: FlaskClient, method: str, path: str, scope: str
) -> None:
    tenant_id, _ = new_tenant()
    others = [each for each in api_keys.ALL_SCOPES if each != scope]
    refused = client.open(path, method=method, json={}, headers=bearer(new_key(tenant_id, *others)))
    assert (refused.status_code, refused.content_type) == (403, "application/problem+json")
    assert refused.json["scope"] == scope
    assert scope in refused.json["detail"]
    let_in = client.open(path, method=method, json={}, headers=bearer(new_key(tenant_id, scope)))
    assert let_in.status_code not in {401, 403}


def test_an_expired_or_revoked_key_is_no_key(client: FlaskClient) -> None:
    tenant_id, _ = new_tenant()
    ending = new_key(tenant_id, expires_at=now() + timedelta(hours=1))
    assert client.post(URL, json=usage_body(), headers=bearer(ending)).status_code == 201
    with unit_of_work() as session:
        session.scalars(select(ApiKey).where(ApiKey.name == "limited")).one().expires_at = now()
    a_second_later()
    assert client.post(URL, json=usage_body(), headers=bearer(ending)).status_code == 401
    tenant_id, key = new_tenant()
    with unit_of_work() as session:
        (found,) = api_keys.list_api_keys(session, tenant_id)
        api_keys.revoke_api_key(session, tenant_id, found.id, now())
    a_second_later()
    assert client.post(URL, json=usage_body(), headers=bearer(key)).status_code == 401


def test_the_last_use_is_noted_at_most_once_a_minute(client: FlaskClient) -> None:
    tenant_id, _ = new_tenant()
    key = new_key(tenant_id)
    assert stored_key().last_used_at is None
    client.get("/api/billing/usage", headers=bearer(key))
    first = stored_key().last_used_at
    assert first is not None
    for _ in range(3):
        client.post(URL, json=usage_body(), headers=bearer(key))
    assert stored_key().last_used_at == first
    with unit_of_work() as session:
        row = session.scalars(select(ApiKey).where(ApiKey.name == "limited")).one()
        row.last_used_at = first - timedelta(minutes=1, seconds=1)
    a_second_later()
    client.get("/api/billing/usage", headers=bearer(key))
    again = stored_key().last_used_at
    assert again is not None
    assert again >= first


def test_finding_the_caller_costs_one_query_a_second(app: Flask, client: FlaskClient) -> None:
    tenant_id, _ = new_tenant()
    key = new_key(tenant_id, "usage:read")
    client.post(URL, json=usage_body(), headers=bearer(key))  # notes the use
    statements: list[str] = []

    def note(*given: object) -> None:
        statements.append(str(given[2]))

    a_second_later()
    event.listen(db.engine, "before_cursor_execute", note)
    for _ in range(3):
        assert client.post(URL, json=usage_body(), headers=bearer(key)).status_code == 403
    event.remove(db.engine, "before_cursor_execute", note)
    assert len(statements) == 1
    assert "api_keys" in statements[0]


def test_the_owner_makes_a_key_sees_it_once_and_revokes_it(app: Flask, client: FlaskClient) -> None:
    tenant_id, _ = new_tenant()
    browser = log_in(app, tenant_id)
    page = f"/tenants/{tenant_id}/settings/api-keys"
    form = {"csrf_token": csrf_of(browser.get(page)), "name": "importer", "scopes": ["usage:write"], "life": "30"}
    made = browser.post(page, data=form)
    assert made.status_code == 201
    (key,) = re.findall(r'value="(ch_\d+_[A-Za-z0-9_-]{32})"', made.text)
    assert client.post(URL, json=usage_body(), headers=bearer(key)).status_code == 201
    assert client.get("/api/billing/usage", headers=bearer(key)).status_code == 403
    listed = browser.get(page).text
    assert key not in listed
    assert f"…{key[-4:]}" in listed
    stored = stored_key("importer")
    assert stored.created_by is not None
    assert stored.expires_at is not None
    assert timedelta(0) <= stored.expires_at - stored.created_at - timedelta(days=30) < timedelta(minutes=1)
    ask = f"{page}/{stored.id}/revoke"
    assert "refused with 401" in browser.get(ask).text
    assert client.post(URL, json=usage_body(), headers=bearer(key)).status_code == 201
    assert browser.post(ask, data={"csrf_token": form["csrf_token"]}).status_code == 303
    assert "importer is revoked" in browser.get(page).text
    assert client.post(URL, json=usage_body(), headers=bearer(key)).status_code == 401


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({"name": " "}, 422, "must be a text of 1 to 200 characters"),
        ({"scopes": []}, 422, "choose at least one of"),
        ({"scopes": ["all"]}, 422, "all is none"),
        ({"life": "7"}, 400, "life"),
    ],
)
def test_a_key_that_cannot_be_is_told_beside_its_field(
    app: Flask, change: dict[str, object], status: int, told: str
) -> None:
    tenant_id, _ = new_tenant()
    browser = log_in(app, tenant_id)
    page = f"/tenants/{tenant_id}/settings/api-keys"
    form = {"csrf_token": csrf_of(browser.get(page)), "name": "x", "scopes": ["usage:write"], "life": "", **change}
    answer = browser.post(page, data=form)
    assert answer.status_code == status
    assert told in answer.text
    assert db.session.scalars(select(ApiKey)).one().name == "tests"


def test_only_owners_and_admins_see_keys(app: Flask) -> None:
    (mine, _), (theirs, _) = new_tenant(), new_tenant()
    page = f"/tenants/{mine}/settings/api-keys"
    their_key = api_keys.list_api_keys(db.session(), theirs)[0].id
    db.session.rollback()
    admin = log_in(app, mine, Role.ADMIN)
    assert admin.get(page).status_code == 200
    assert admin.get(f"{page}/{their_key}/revoke").status_code == 404
    assert admin.get(f"{page}/{2**70}/revoke").status_code == 404
    viewer = log_in(app, mine, Role.VIEWER)
    token = csrf_of(viewer.get(f"/tenants/{mine}/usage"))
    assert viewer.get(page).status_code == 403
    assert viewer.post(page, data={"csrf_token": token, "name": "x", "scopes": "usage:read"}).status_code == 403
    assert "API keys" not in viewer.get(f"/tenants/{mine}/usage").text
    assert log_in(app, theirs).get(page).status_code == 404
    assert log_in(app, staff=True).get(page).status_code == 303
    assert view_as_staff(app, mine).get(page).status_code == 403
