"""What the environment says to `flask stripe setup`: pinned ids, and keys that are wrong or live."""

from __future__ import annotations

import pytest
from flask import Flask

from dashboard.app import create_app
from dashboard.database import db
from dashboard.models import CatalogPrice
from dashboard.wiring import wiring
from embedded.stack import Stack
from tests.conftest import settings_for
from tests.integrations.test_catalog_setup import apply, changes, run, use
from tests.sandbox_server import SandboxServer


def test_a_price_pinned_by_the_environment_is_taken_as_it_is(
    stack: Stack, sandbox: SandboxServer, app: Flask, database_url: str
) -> None:
    v1 = wiring().stripe_client.v1
    product = v1.products.create({"name": "By hand"})
    own = v1.prices.create(
        {"product": product.id, "currency": "eur", "unit_amount": 3_333, "recurring": {"interval": "month"}}
    )
    pinned = {"STRIPE_PRICE_STARTER_MONTHLY": own.id}
    other = create_app(settings_for(stack, sandbox, database_url, pinned=pinned))
    with other.app_context():
        assert apply(other)["STRIPE_PRICE_STARTER_MONTHLY"] == own.id
        assert "pinned by STRIPE_PRICE_STARTER_MONTHLY" in run(other, "plan").stdout
        row = db.session.get_one(CatalogPrice, own.id)
        assert (row.plan, row.currency, row.unit_amount) == ("starter", "eur", 3_333)
        db.session.remove()
        db.engine.dispose()


def test_pinning_the_lines_that_were_printed_does_not_freeze_the_catalogue(
    stack: Stack, sandbox: SandboxServer, app: Flask, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = apply(app)
    other = create_app(settings_for(stack, sandbox, database_url, pinned=lines))
    with other.app_context():
        assert changes() == []
        use(monkeypatch, lambda values: values["plans"]["starter"]["prices"].update(monthly=3_100))
        assert apply(other)["STRIPE_PRICE_STARTER_MONTHLY"] != lines["STRIPE_PRICE_STARTER_MONTHLY"]
        db.session.remove()
        db.engine.dispose()


def test_a_wrong_key_is_told_in_one_line(stack: Stack, sandbox: SandboxServer, database_url: str) -> None:
    app = create_app(settings_for(stack, sandbox, database_url, stripe_secret_key="sk_wrong_key"))
    result = app.test_cli_runner().invoke(args=["stripe", "setup"])
    assert result.exit_code == 1
    assert "Error: Stripe: Invalid API Key" in result.output
    with app.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("prefix", ["sk_live_", "rk_live_"])
def test_a_live_key_is_refused_without_being_named_live(
    stack: Stack, sandbox: SandboxServer, database_url: str, prefix: str
) -> None:
    app = create_app(settings_for(stack, sandbox, database_url, stripe_secret_key=f"{prefix}abcdefgh"))
    for words in ([], ["apply"], ["apply", "--webhook"]):
        output = run(app, *words, code=1).output
        assert "STRIPE_SECRET_KEY is a live key: add --live" in output
    # With the word it goes on, and the sandbox knows no such key.
    assert "Invalid API Key" in run(app, "apply", "--live", code=1).output
    with app.app_context():
        db.engine.dispose()
