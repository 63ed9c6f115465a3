"""`flask stripe setup`: shows what it would do, does only that, and can be run as often as you like."""

from __future__ import annotations

import re
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select

from dashboard.billing.plans.plans import PLANS, catalog
from dashboard.database import db
from dashboard.integrations.stripe.catalog_setup import Setup, plan_setup
from dashboard.integrations.stripe.setup.steps import Action
from dashboard.models import CatalogMeter, CatalogPrice
from dashboard.wiring import unit_of_work, wiring
from tests.catalogs import changed_catalog


def run(app: Flask, *words: str, code: int = 0) -> Result:
    """Run `flask stripe setup` with these words."""
    result = app.test_cli_runner().invoke(args=["stripe", "setup", *words])
    assert result.exit_code == code, result.output
    return result


def apply(app: Flask, *options: str) -> dict[str, str]:
    """Apply; its environment lines."""
    return dict(line.split("=", 1) for line in run(app, "apply", *options).stdout.splitlines())


def use(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Let the process work with the shipped catalogue after a change to its values."""
    monkeypatch.setattr("dashboard.billing.plans.plans._Process.catalog", changed_catalog(change))


def changes() -> list[tuple[str, str, str]]:
    """What a plan would do now: action, kind and name."""
    return [(step.action.value, step.kind, step.name) for step in _planned().changes]


def _planned() -> Setup:
    parts = wiring()
    with unit_of_work() as session:
        return plan_setup(session, parts.stripe_client, parts.pins)


def price_of(lookup_key: str) -> Any:
    """The price at Stripe that has a lookup key."""
    (price,) = wiring().stripe_client.v1.prices.list({"lookup_keys": [lookup_key], "expand": ["data.tiers"]}).data
    return price


def test_every_plan_price_and_meter_is_made_and_printed(app: Flask) -> None:
    lines = apply(app)
    prices = {f"STRIPE_PRICE_{plan.upper()}_{interval}" for plan in PLANS for interval in ("MONTHLY", "YEARLY")}
    assert set(lines) == prices | {kind.meter_setting for kind in catalog().metered}
    v1 = wiring().stripe_client.v1
    starter = v1.prices.retrieve(lines["STRIPE_PRICE_STARTER_YEARLY"])
    assert (starter.unit_amount, starter.recurring.interval if starter.recurring else None) == (29_000, "year")
    assert starter.tax_behavior == "exclusive"
    sms = db.session.scalars(
        select(CatalogPrice).where(CatalogPrice.plan == "starter", CatalogPrice.usage_type == "SMS_SENT")
    ).one()
    tiers = v1.prices.retrieve(sms.price_id, {"expand": ["tiers"]}).tiers
    assert tiers is not None
    assert [(tier.up_to, str(tier.unit_amount_decimal)) for tier in tiers] == [(100, "0"), (None, "2.4")]
    assert (sms.included, str(sms.overage_rate)) == (100, "2.4")


def test_a_product_carries_what_people_read_and_the_features_it_entitles_to(app: Flask) -> None:
    apply(app)
    v1 = wiring().stripe_client.v1
    product = v1.products.retrieve("countinghouse_starter")
    assert (product.name, product.description) == ("Countinghouse Starter", PLANS["starter"].description)
    assert product.tax_code == "txcd_10103001"
    assert tuple(each.name for each in product.marketing_features) == PLANS["starter"].highlights
    links = v1.products.features.list("countinghouse_starter", {"limit": 100}).data
    assert {link.entitlement_feature.lookup_key for link in links} == set(PLANS["starter"].features)


def test_a_plan_shows_everything_and_does_nothing(app: Flask) -> None:
    result = run(app, "plan", "--webhook", code=2)
    assert re.search(r"^\+ create +price +starter_monthly ", result.stdout, re.MULTILINE)
    assert "to create, 1 to change, 0 to archive, 0 to keep." in result.stdout  # the change is in our tables
    assert wiring().stripe_client.v1.products.list().data == []
    assert db.session.scalar(select(func.count()).select_from(CatalogPrice)) == 0


def test_after_apply_a_plan_is_empty_and_a_second_apply_makes_nothing_new(app: Flask) -> None:
    first = apply(app)
    assert "0 to create, 0 to change, 0 to archive, 67 to keep." in run(app, "plan").stdout
    assert apply(app) == first
    assert len(wiring().stripe_client.v1.products.list({"limit": 100}).data) == len(PLANS)
    assert db.session.scalar(select(func.count()).select_from(CatalogMeter)) == len(catalog().meters)


def test_setup_alone_applies(app: Flask) -> None:
    lines = run(app).stdout.splitlines()
    assert lines[0].startswith("STRIPE_METER_SMS_SENT=mtr_")
    assert changes() == []


def test_a_price_that_differs_is_replaced_takes_the_key_and_the_old_one_is_archived(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = apply(app)["STRIPE_PRICE_STARTER_MONTHLY"]
    use(monkeypatch, lambda values: values["plans"]["starter"]["prices"].update(monthly=3_100))
    assert changes() == [
        ("create", "price", "starter_monthly"),
        ("archive", "price", "Starter, monthly"),
        ("change", "our tables", "meters, prices"),
    ]
    assert "amount: 2900 -> 3100" in run(app, "plan", code=2).stdout
    after = apply(app)["STRIPE_PRICE_STARTER_MONTHLY"]
    db.session.rollback()
    assert price_of("starter_monthly").id == after != before
    old = wiring().stripe_client.v1.prices.retrieve(before)
    assert (old.active, old.lookup_key) == (False, None)
    assert (db.session.get_one(CatalogPrice, before).active, db.session.get_one(CatalogPrice, before).plan) == (
        False,
        "starter",
    )
    assert db.session.get_one(CatalogPrice, after).unit_amount == 3_100
    assert changes() == []


def test_a_price_put_back_finds_its_archived_predecessor(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    before = apply(app)["STRIPE_PRICE_STARTER_MONTHLY"]
    with monkeypatch.context() as raised:
        use(raised, lambda values: values["plans"]["starter"]["prices"].update(monthly=3_100))
        apply(app)
    assert ("change", "price", "starter_monthly") in changes()
    assert apply(app)["STRIPE_PRICE_STARTER_MONTHLY"] == before
    assert changes() == []


def test_several_tiers_reach_stripe_and_our_tables(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    tiers = [{"up_to": 10_000, "rate": 2}, {"rate": 1}]
    use(monkeypatch, lambda v: v["plans"]["starter"]["usage"].update(SMS_SENT={"included": 100, "tiers": tiers}))
    apply(app)
    told = [(tier.up_to, int(tier.unit_amount_decimal)) for tier in price_of("starter_sms_sent").tiers]
    assert told == [(100, 0), (10_000, 2), (None, 1)]
    row = db.session.get_one(CatalogPrice, price_of("starter_sms_sent").id)
    assert (row.included, row.overage_rate) == (100, 2)
    assert changes() == []


def test_a_plan_added_to_the_file_is_made_and_one_that_left_is_archived_never_deleted(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(app)

    def swap(values: dict[str, Any]) -> None:
        values["plans"]["team"] = values["plans"].pop("enterprise") | {"name": "Team"}

    use(monkeypatch, swap)
    planned = changes()
    assert ("create", "product", "countinghouse_team") in planned
    assert ("archive", "product", "countinghouse_enterprise") in planned
    assert sum(action == "archive" for action, _, _ in planned) == 9  # the product, two base fees, six metered prices
    assert "STRIPE_PRICE_TEAM_YEARLY" in apply(app)
    v1 = wiring().stripe_client.v1
    assert v1.products.retrieve("countinghouse_enterprise").active is False
    assert v1.prices.list({"product": "countinghouse_enterprise", "active": True}).data == []
    db.session.rollback()
    left = db.session.scalars(select(CatalogPrice).where(CatalogPrice.plan == "enterprise")).all()
    assert {price.active for price in left} == {False}
    assert changes() == []


def test_texts_that_left_the_file_leave_the_product(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(app)
    use(monkeypatch, lambda values: values["plans"]["starter"].update(description="", highlights=[]))
    assert changes() == [("change", "product", "countinghouse_starter")]
    apply(app)
    product = wiring().stripe_client.v1.products.retrieve("countinghouse_starter")
    assert (product.description, product.marketing_features) == (None, [])
    assert changes() == []


def test_a_plan_without_texts_is_made_without_them(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, lambda values: values["plans"]["starter"].update(description="", highlights=[]))
    apply(app)
    assert wiring().stripe_client.v1.products.retrieve("countinghouse_starter").description is None
    assert changes() == []


def test_a_feature_that_left_a_plan_or_the_file_is_taken_away(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(app)

    def drop(values: dict[str, Any]) -> None:
        del values["features"]["own-contract"]
        values["plans"]["enterprise"]["features"].remove("own-contract")
        values["plans"]["starter"]["features"].remove("webhooks")

    use(monkeypatch, drop)
    assert changes() == [
        ("archive", "feature", "own-contract"),
        ("archive", "entitlement", "starter: webhooks"),
        ("archive", "entitlement", "enterprise: own-contract"),
    ]
    apply(app)
    assert changes() == []
    monkeypatch.undo()
    assert changes()[0] == ("change", "feature", "own-contract")
    apply(app)
    assert changes() == []


def test_what_others_made_in_the_account_is_let_be(app: Flask) -> None:
    v1 = wiring().stripe_client.v1
    product = v1.products.create({"name": "A shop's mug", "metadata": {"plan": "starter"}})
    v1.prices.create({"product": product.id, "currency": "usd", "unit_amount": 900})
    apply(app)
    by_hand = v1.prices.create(
        {"product": "countinghouse_starter", "currency": "usd", "unit_amount": 1, "recurring": {"interval": "month"}}
    )
    v1.entitlements.features.create({"lookup_key": "mug", "name": "A mug"})
    assert changes() == []
    assert v1.prices.retrieve(by_hand.id).active


def test_a_meter_that_counts_otherwise_is_refused_with_what_to_do(app: Flask) -> None:
    wiring().stripe_client.v1.billing.meters.create(
        {
            "display_name": "By hand",
            "event_name": "storage_used_mb",
            "default_aggregation": {"formula": "sum"},
            "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
            "value_settings": {"event_payload_key": "value"},
        }
    )
    output = run(app, "plan", code=1).output
    assert "meters.STORAGE_USED_MB: aggregation: sum -> last" in output
    assert "give the catalogue another event_name" in output


def test_our_tables_are_filled_again_where_they_were_lost(app: Flask) -> None:
    apply(app)
    with unit_of_work() as session:
        for row in session.scalars(select(CatalogPrice).where(CatalogPrice.plan == "free")):
            session.delete(row)
    assert changes() == [("change", "our tables", "meters, prices")]
    apply(app)
    assert changes() == []


def test_every_step_has_an_action_and_only_changes_run(app: Flask) -> None:
    apply(app)
    steps = _planned().steps
    assert {step.action for step in steps} == {Action.KEEP}
    assert not any(step.run for step in steps)
