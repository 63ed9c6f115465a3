"""The operator's commands for accounts."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from dashboard.billing.tenants import accounts
from dashboard.billing.tenants.standing import find_person
from dashboard.database import db
from dashboard.models import ApiKey
from dashboard.wiring import now
from tests.factories import usage_body
from tests.platform import a_second_later, bearer, run_command


def test_an_operator_makes_a_tenant_its_people_and_its_key(app: Flask, client: FlaskClient) -> None:
    tenant = run_command(
        app, "accounts", "create-tenant", "Acme", "--email", "billing@acme.example", "--sms-from", "+15550001111"
    )
    person = ("--name", "Ada", "--password", "long enough password", "--tenant", tenant, "--role", "owner")
    assert run_command(app, "accounts", "create-user", "Ada@Acme.example", *person) == "ada@acme.example"
    user = accounts.authenticate(db.session(), "ada@acme.example", "long enough password")
    assert user is not None
    person = find_person(db.session(), user.id, int(tenant))
    assert person is not None
    assert person.standing is not None
    assert person.standing.role == "owner"
    key = run_command(app, "accounts", "create-key", tenant)
    assert client.post("/api/billing/usage/events", json=usage_body(), headers=bearer(key)).status_code == 201


def test_an_operator_limits_lists_and_revokes_keys(app: Flask, client: FlaskClient) -> None:
    tenant = run_command(app, "accounts", "create-tenant", "Acme", "--email", "billing@acme.example")
    key = run_command(
        app, "accounts", "create-key", tenant, "--name", "reader", "--scope", "usage:read", "--scope", "sync:run"
    )
    assert client.post("/api/billing/usage/events", json=usage_body(), headers=bearer(key)).status_code == 403
    id_, last_four, *rest = run_command(app, "accounts", "list-keys", tenant).split("\t")
    assert (last_four, rest) == (f"…{key[-4:]}", ["reader", "usage:read,sync:run", "active"])
    assert run_command(app, "accounts", "revoke-key", tenant, id_) == "reader is revoked"
    a_second_later()
    assert client.get("/api/billing/usage", headers=bearer(key)).status_code == 401
    assert run_command(app, "accounts", "list-keys", tenant).endswith("revoked")


def test_a_key_whose_time_is_over_is_not_listed_as_active(app: Flask) -> None:
    tenant = run_command(app, "accounts", "create-tenant", "Acme", "--email", "billing@acme.example")
    run_command(app, "accounts", "create-key", tenant)
    db.session.execute(update(ApiKey).values(expires_at=now()))
    db.session.commit()
    assert run_command(app, "accounts", "list-keys", tenant).endswith("expired")


def test_what_is_wrong_is_told_in_one_line(app: Flask) -> None:
    assert "billing_email" in run_command(app, "accounts", "create-tenant", "Acme", "--email", "nobody", code=1)
    assert "there is no tenant 99" in run_command(app, "accounts", "create-key", "99", code=1)
    tenant = run_command(app, "accounts", "create-tenant", "Acme", "--email", "billing@acme.example")
    assert "everything is none" in run_command(app, "accounts", "create-key", tenant, "--scope", "everything", code=1)
    assert "expires_at" in run_command(app, "accounts", "create-key", tenant, "--expires", "2020-01-01", code=1)
    assert "there is no tenant 99" in run_command(app, "accounts", "list-keys", "99", code=1)
    assert "no API key 99" in run_command(app, "accounts", "revoke-key", tenant, "99", code=1)
    weak = ("--name", "Ada", "--password", "short")
    assert "password" in run_command(app, "accounts", "create-user", "ada@acme.example", *weak, code=1)
