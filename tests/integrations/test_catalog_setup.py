"""`flask stripe setup`: run as often as you like, it finds what is there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import func, select

from dashboard.app import create_app
from dashboard.billing.plans import PLANS
from dashboard.billing.usage_types import METERED
from dashboard.database import db
from dashboard.models import CatalogMeter, CatalogPrice
from dashboard.wiring import wiring
from embedded.stack import Stack
from tests.conftest import settings_for
from tests.sandbox_server import SandboxServer


def setup(app: Flask, *options: str) -> dict[str, str]:
    """Run the command; its environment lines."""
    result = app.test_cli_runner().invoke(args=["stripe", "setup", *options])
    assert result.exit_code == 0, result.output
    return dict(line.split("=", 1) for line in result.stdout.splitlines() if not line.startswith("#"))


def test_every_plan_price_and_meter_is_made_and_printed(app: Flask) -> None:
    lines = setup(app)
    prices = {f"STRIPE_PRICE_{plan.upper()}_{interval}" for plan in PLANS for interval in ("MONTHLY", "YEARLY")}
    assert set(lines) == prices | {kind.meter_setting for kind in METERED}
    v1 = wiring().stripe_client.v1
    starter = v1.prices.retrieve(lines["STRIPE_PRICE_STARTER_YEARLY"])
    assert (starter.unit_amount, starter.recurring.interval if starter.recurring else None) == (29_000, "year")
    sms = db.session.scalars(
        select(CatalogPrice).where(CatalogPrice.plan == "starter", CatalogPrice.usage_type == "SMS_SENT")
    ).one()
    tiers = v1.prices.retrieve(sms.price_id, {"expand": ["tiers"]}).tiers
    assert tiers is not None
    assert [(tier.up_to, str(tier.unit_amount_decimal)) for tier in tiers] == [(100, "0"), (None, "2.4")]
    assert (sms.included, str(sms.overage_rate)) == (100, "2.4")


def test_a_second_run_makes_nothing_new(app: Flask) -> None:
    assert setup(app) == setup(app)
    assert len(wiring().stripe_client.v1.products.list({"limit": 100}).data) == len(PLANS)
    assert db.session.scalar(select(func.count()).select_from(CatalogMeter)) == len(METERED)


def test_a_price_that_differs_is_replaced_and_the_old_one_kept_known(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = setup(app)["STRIPE_PRICE_STARTER_MONTHLY"]
    raised = {**PLANS, "starter": replace(PLANS["starter"], monthly=3_100)}
    monkeypatch.setattr("dashboard.integrations.stripe.catalog_setup.PLANS", raised)
    after = setup(app)["STRIPE_PRICE_STARTER_MONTHLY"]
    db.session.rollback()
    assert before != after
    assert db.session.get_one(CatalogPrice, before).active is False
    assert db.session.get_one(CatalogPrice, before).plan == "starter"
    assert db.session.get_one(CatalogPrice, after).unit_amount == 3_100


def test_the_webhook_endpoint_is_registered_once(app: Flask) -> None:
    assert setup(app, "--webhook")["STRIPE_WEBHOOK_SECRET"].startswith("whsec_")
    assert "STRIPE_WEBHOOK_SECRET" not in setup(app, "--webhook")
    (endpoint,) = wiring().stripe_client.v1.webhook_endpoints.list().data
    assert (endpoint.url, endpoint.api_version) == ("http://127.0.0.1:5000/api/billing/webhook", "2026-10-28.endive")


def test_a_wrong_key_is_told_in_one_line(stack: Stack, sandbox: SandboxServer, database_url: str) -> None:
    app = create_app(settings_for(stack, sandbox, database_url, stripe_secret_key="sk_wrong_key"))
    result = app.test_cli_runner().invoke(args=["stripe", "setup"])
    assert result.exit_code == 1
    assert "Error: Stripe: Invalid API Key" in result.output
    with app.app_context():
        db.engine.dispose()
