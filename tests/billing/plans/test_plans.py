"""The catalogue in use: one file, read once, from which plans, prices on sale and names follow."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from dashboard.billing.plans import plans
from dashboard.billing.plans.catalog import DEFAULT_FILE, CatalogError
from dashboard.billing.plans.plans import PLANS, PricePins, catalog, free_plan, plan_name, prices_of_plan, store_price
from dashboard.config import SettingsError
from dashboard.models import CatalogPrice
from dashboard.wiring import wire
from embedded.stack import Stack
from tests.catalogs import changed_catalog
from tests.conftest import settings_for
from tests.sandbox_server import SandboxServer

NO_PINS = PricePins(plans={}, meters={})


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Other tests work with the file that ships."""
    yield
    plans.use_catalog(None)


def price(price_id: str, *, interval: str = "monthly", usage_type: str | None = None) -> CatalogPrice:
    return CatalogPrice(
        price_id=price_id,
        product_id="countinghouse_starter",
        plan="starter",
        interval=interval,
        usage_type=usage_type,
        currency="usd",
        unit_amount=2_900,
        active=True,
    )


def test_the_shipped_file_holds_the_four_plans_in_their_order() -> None:
    assert list(PLANS) == ["free", "starter", "professional", "enterprise"]
    assert free_plan() is PLANS["free"]
    starter = PLANS["starter"]
    assert (starter.amount("monthly"), starter.amount("yearly")) == (2_900, 29_000)
    assert (starter.included("SMS_SENT"), starter.tiers["SMS_SENT"][1].rate) == (100, Decimal("2.4"))
    assert starter.included("CALL_MADE") is None
    assert len(catalog().metered) == 6


def test_the_file_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before = catalog()
    monkeypatch.setattr(plans, "DEFAULT_FILE", Path("/nowhere"))
    assert catalog() is before


def test_another_file_is_another_catalogue_without_code(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(DEFAULT_FILE.read_text().replace("monthly = 2_900", "monthly = 3_100"))
    plans.use_catalog(path)
    assert PLANS["starter"].amount("monthly") == 3_100


def test_a_wrong_file_stops_the_start_and_names_setting_file_and_key(
    stack: Stack, sandbox_server: SandboxServer, tmp_path: Path
) -> None:
    path = tmp_path / "own.toml"
    path.write_text(DEFAULT_FILE.read_text().replace("monthly = 2_900", "monthly = -1"))
    settings = settings_for(stack, sandbox_server, "postgresql://u@h/d", catalog_file=path)
    from flask import Flask  # the application is not needed, only something to hang the adapters on

    with pytest.raises(SettingsError, match=r"CATALOG_FILE: .*own\.toml: plans\.starter\.prices\.monthly: must be a"):
        wire(Flask("nothing"), settings)
    with pytest.raises(CatalogError, match="cannot be read"):
        plans.use_catalog(tmp_path / "missing.toml")


def test_names_for_people() -> None:
    assert plan_name("starter") == "Starter"
    assert plan_name("gold_2024") == "Gold 2024"  # a plan that left the file
    assert plan_name(None) == "Other plan"


def test_a_yearly_plan_is_sold_with_the_monthly_metered_prices(session: Session) -> None:
    for each in (price("price_m"), price("price_y", interval="yearly"), price("price_sms", usage_type="SMS_SENT")):
        store_price(session, each)
    assert prices_of_plan(session, "starter", "yearly", NO_PINS) == ("price_y", ["price_sms"])
    assert prices_of_plan(session, "starter", "monthly", NO_PINS) == ("price_m", ["price_sms"])
    assert prices_of_plan(session, "professional", "monthly", NO_PINS) is None


def test_a_pin_is_sold_until_its_price_was_replaced(session: Session) -> None:
    pins = PricePins(plans={"price_pinned": ("starter", "monthly")}, meters={})
    store_price(session, price("price_sms", usage_type="SMS_SENT"))
    assert prices_of_plan(session, "starter", "monthly", pins) == ("price_pinned", ["price_sms"])
    store_price(session, price("price_pinned"))
    store_price(session, price("price_new"))
    assert prices_of_plan(session, "starter", "monthly", pins) == ("price_new", ["price_sms"])


def test_included_is_the_first_tier_when_it_is_free() -> None:
    def change(values: dict) -> None:  # type: ignore[type-arg]
        values["plans"]["starter"]["usage"]["SMS_SENT"] = {"rate": 2}
        values["plans"]["starter"]["usage"]["SMS_RECEIVED"] = {"tiers": [{"up_to": 5, "rate": 0}, {"rate": 1}]}

    starter = changed_catalog(change).plans["starter"]
    assert (starter.included("SMS_SENT"), starter.included("SMS_RECEIVED")) == (0, 5)
