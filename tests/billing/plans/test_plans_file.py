"""A wrong catalogue file is refused with the table, the key and what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dashboard.billing.plans.catalog import CatalogError
from dashboard.billing.plans.catalog_file import read_catalog
from tests.catalogs import changed_catalog

Change = Callable[[dict[str, Any]], Any]


def starter(**fields: Any) -> Change:
    return lambda values: values["plans"]["starter"].update(fields)


def sms(**fields: Any) -> Change:
    return lambda values: values["plans"]["starter"]["usage"].update(SMS_SENT=fields)


def meter(**fields: Any) -> Change:
    return lambda values: values["meters"]["SMS_SENT"].update(fields)


def root(**fields: Any) -> Change:
    return lambda values: values.update(fields)


WRONG: list[tuple[Change, str]] = [
    (root(currency="dollars"), "currency: must be a currency of three small letters"),
    (root(currency=840), "currency: must be"),
    (root(brand=" "), "brand: must not be empty"),
    (root(plan_without_subscription="gratis"), "plan_without_subscription: must be 'free' or 'starter'"),
    (root(colour="red"), "colour: is unknown; this table may hold brand, currency"),
    (root(plans={}), "plans: must hold at least one plan"),
    (lambda v: v.pop("plans"), "plans: is missing"),
    (root(plans=[]), "plans: must be a table"),
    (root(tax={"behavior": "never"}), "tax.behavior: must be 'exclusive' or 'inclusive' or 'unspecified'"),
    (root(tax={"code": "services"}), "tax.code: must be a tax code such as txcd_10103001"),
    (root(features={"a b": "A"}), "features.a b: a key must be letters, digits, _ and -"),
    (root(features={"calls": ""}), "features.calls: must not be empty"),
    (meter(aggregation="count"), "meters.SMS_SENT.aggregation: must be 'sum'"),
    (meter(window="week"), "meters.SMS_SENT.window: must be 'hour' or 'day'"),
    (meter(event_name="with space"), "meters.SMS_SENT.event_name: must be letters, digits"),
    (meter(event_name="sms_received"), "have the same event_name: sms_received"),
    (lambda v: v["meters"].update(FAX={"event_name": "f"}), "meters.FAX: is no usage type; they are SMS_SENT, "),
    (starter(name=""), "plans.starter.name: must not be empty"),
    (starter(trial_days=1.5), "plans.starter.trial_days: must be a whole number from 0 to 730"),
    (starter(trial_days=True), "plans.starter.trial_days: must be a whole number"),
    (starter(highlights="many"), "plans.starter.highlights: must be a list of at most 15 texts"),
    (starter(features=["flying"]), "plans.starter.features: must be a list of two-way-texts, calls"),
    (starter(features=["calls", "calls"]), "plans.starter.features: must be a list"),
    (starter(price=1), "plans.starter.price: is unknown"),
    (starter(prices={}), "plans.starter.prices.monthly: is missing"),
    (starter(prices={"monthly": "29"}), "plans.starter.prices.monthly: must be a whole number from 0"),
    (starter(prices={"monthly": 1, "weekly": 1}), "plans.starter.prices.weekly: is unknown; .* monthly, yearly"),
    (starter(usage={"CALL_MADE": {"rate": 1}}), "plans.starter.usage.CALL_MADE: has no meter; those in"),
    (lambda v: v["plans"].update(Gold=v["plans"]["starter"]), "plans.Gold: the key of a plan must be small letters"),
    (sms(), "plans.starter.usage.SMS_SENT.rate: is missing"),
    (sms(included=-1, rate=1), "plans.starter.usage.SMS_SENT.included: must be a whole number"),
    (sms(rate=-1), "plans.starter.usage.SMS_SENT.rate: must be a number of minor units, 0 or more"),
    (sms(rate=Decimal("nan")), "SMS_SENT.rate: must be a number"),
    (sms(rate=Decimal("0.0000000000001")), "SMS_SENT.rate: .* at most 12 decimal places"),
    (sms(rate="2.4"), "SMS_SENT.rate: must be a number"),
    (sms(tiers=[]), "SMS_SENT.tiers: must be a list of one table or more"),
    (sms(rate=1, tiers=[{"rate": 1}]), "SMS_SENT.rate: is unknown"),
    (
        sms(included=10, tiers=[{"up_to": 10, "rate": 2}, {"rate": 1}]),
        r"tiers\[0\].up_to: must be a whole number from 11",
    ),
    (sms(tiers=[{"up_to": 9, "rate": 2}, {"up_to": 9, "rate": 1}, {"rate": 1}]), r"tiers\[1\].up_to: .* from 10"),
    (sms(tiers=[{"up_to": 9, "rate": 2}]), r"tiers\[0\].up_to: must be left out of the last tier"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_what_is_wrong_is_named(change: Change, message: str) -> None:
    with pytest.raises(CatalogError, match=f"^catalog.toml: .*{message}"):
        changed_catalog(change)


def test_keys_that_would_meet_at_stripe_are_refused() -> None:
    def meet(values: dict[str, Any]) -> None:
        values["meters"]["SMS_SENT"]["event_name"] = "monthly"

    with pytest.raises(CatalogError, match="have the same lookup key at Stripe: free_monthly"):
        changed_catalog(meet)


def test_a_file_that_is_no_toml_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text("currency = usd\n")
    with pytest.raises(CatalogError, match=r"catalog\.toml: is no TOML: .*line 1"):
        read_catalog(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CatalogError, match="cannot be read"):
        read_catalog(path)


def test_rates_are_exact() -> None:
    tiers = changed_catalog(sms(included=1, tiers=[{"up_to": 2, "rate": Decimal("0.1")}, {"rate": 3}]))
    assert [(t.up_to, str(t.rate)) for t in tiers.plans["starter"].tiers["SMS_SENT"]] == [
        (1, "0"),
        (2, "0.1"),
        (None, "3"),
    ]
