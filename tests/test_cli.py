"""The operator's commands for accounts."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from dashboard.billing import accounts
from dashboard.database import db
from tests.factories import usage_body
from tests.platform import bearer
from tests.sandbox_server import SandboxServer


def run(app: Flask, *arguments: str, code: int = 0) -> str:
    result = app.test_cli_runner().invoke(args=[*arguments])
    assert result.exit_code == code, result.output
    return result.output.strip()


def test_an_operator_makes_a_tenant_its_people_and_its_key(app: Flask, client: FlaskClient) -> None:
    tenant = run(
        app, "accounts", "create-tenant", "Acme", "--email", "billing@acme.example", "--sms-from", "+15550001111"
    )
    person = ("--name", "Ada", "--password", "long enough password", "--tenant", tenant, "--role", "owner")
    assert run(app, "accounts", "create-user", "Ada@Acme.example", *person) == "ada@acme.example"
    user = accounts.authenticate(db.session(), "ada@acme.example", "long enough password")
    assert user is not None
    assert accounts.role_of(db.session(), user, int(tenant)) == "owner"
    key = run(app, "accounts", "create-key", tenant)
    assert client.post("/api/billing/usage/events", json=usage_body(), headers=bearer(key)).status_code == 201


def test_an_operator_limits_lists_and_revokes_keys(app: Flask, client: FlaskClient) -> None:
    tenant = run(app, "accounts", "create-tenant", "Acme", "--email", "billing@acme.example")
    key = run(app, "accounts", "create-key", tenant, "--name", "reader", "--scope", "usage:read", "--scope", "sync:run")
    assert client.post("/api/billing/usage/events", json=usage_body(), headers=bearer(key)).status_code == 403
    id_, last_four, *rest = run(app, "accounts", "list-keys", tenant).split("\t")
    assert (last_four, rest) == (f"…{key[-4:]}", ["reader", "usage:read,sync:run", "active"])
    assert run(app, "accounts", "revoke-key", tenant, id_) == "reader is revoked"
    assert client.get("/api/billing/usage", headers=bearer(key)).status_code == 401
    assert run(app, "accounts", "list-keys", tenant).endswith("revoked")


def test_what_is_wrong_is_told_in_one_line(app: Flask) -> None:
    assert "billing_email" in run(app, "accounts", "create-tenant", "Acme", "--email", "nobody", code=1)
    assert "there is no tenant 99" in run(app, "accounts", "create-key", "99", code=1)
    tenant = run(app, "accounts", "create-tenant", "Acme", "--email", "billing@acme.example")
    assert "everything is none" in run(app, "accounts", "create-key", tenant, "--scope", "everything", code=1)
    assert "expires_at" in run(app, "accounts", "create-key", tenant, "--expires", "2020-01-01", code=1)
    assert "no API key 99" in run(app, "accounts", "revoke-key", tenant, "99", code=1)
    weak = ("--name", "Ada", "--password", "short")
    assert "password" in run(app, "accounts", "create-user", "ada@acme.example", *weak, code=1)


def test_stripe_replay_wants_an_event_or_failed(app: Flask) -> None:
    runner = app.test_cli_runner()
    assert runner.invoke(args=["stripe", "replay"]).exit_code == 2
    assert runner.invoke(args=["stripe", "replay", "evt_1", "--failed"]).exit_code == 2
    unknown = runner.invoke(args=["stripe", "replay", "evt_1"])
    assert (unknown.exit_code, "no Stripe event evt_1" in unknown.output) == (1, True)
    assert "0 events" in runner.invoke(args=["stripe", "replay", "--failed"]).output


def test_stripe_catch_up_says_how_many_had_not_arrived(app: Flask, sandbox: SandboxServer) -> None:
    app.extensions["countinghouse"].stripe_client.v1.customers.create({"name": "Ada"})
    runner = app.test_cli_runner()
    assert "1 events had not arrived" in runner.invoke(args=["stripe", "catch-up"]).output
    assert "0 events" in runner.invoke(args=["stripe", "catch-up", "--since", "2026-01-01"]).output
    sandbox.fail("GET /v1/events", "error_500", times=9)
    failed = runner.invoke(args=["stripe", "catch-up"])
    assert (failed.exit_code, failed.output.startswith("Error: Stripe")) == (1, True)
