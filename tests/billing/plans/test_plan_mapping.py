"""Every price we can know means its plan; one that nobody knows means none, and never Free."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.limits.quotas import CapReached, reserve
from dashboard.billing.limits.usage_alerts import announce_thresholds
from dashboard.billing.periods.periods import list_periods
from dashboard.billing.plans.known_prices import BoughtPlan, read_prices
from dashboard.billing.plans.plan_mapping import list_mappings, map_price, plan_of_items
from dashboard.billing.plans.plans import PricePins, store_price
from dashboard.billing.ports.providers import ItemFacts, SubscriptionFacts
from dashboard.billing.reports.usage_report import report_usage
from dashboard.billing.reports.usage_scope import Wanted, find_scope
from dashboard.billing.subscriptions.plan_matrix import list_plans
from dashboard.billing.subscriptions.subscription_views import view_subscription
from dashboard.billing.subscriptions.subscriptions import sync_subscription
from dashboard.billing.subscriptions.unknown_prices import (
    list_unknown_prices,
    settle_unknown_prices,
    tenants_with_unknown_prices,
)
from dashboard.models import BillingPeriod, CatalogPrice, Subscription, Tenant
from tests.factories import NOON, make_tenant, record

NO_PINS = PricePins(plans={}, meters={})
END = NOON + timedelta(days=30)


def item(price_id: str, **more: Any) -> ItemFacts:
    given: dict[str, Any] = {"interval": "month", "is_metered": False, "period_start": NOON, "period_end": END}
    return ItemFacts(price_id, **{**given, **more})


def subscribe(session: Session, tenant: Tenant, *items: ItemFacts, pins: PricePins = NO_PINS, now: Any = NOON) -> None:
    facts = SubscriptionFacts(
        id="sub_1",
        customer_id=tenant.stripe_customer_id or "",
        status="active",
        items=items,
        cancel_at=None,
        ended_at=None,
        created_at=NOON,
    )
    assert sync_subscription(session, facts, pins, now)


def subscription_of(session: Session, tenant: Tenant) -> Subscription:
    return session.get_one(Subscription, (tenant.id, "sub_1"), populate_existing=True)


def catalogue_price(price_id: str, plan: str = "starter", **more: Any) -> CatalogPrice:
    given: dict[str, Any] = {
        "product_id": f"countinghouse_{plan}",
        "interval": "monthly",
        "usage_type": None,
        "currency": "usd",
        "unit_amount": 2_900,
        "active": True,
    }
    return CatalogPrice(price_id=price_id, plan=plan, **{**given, **more})


@pytest.fixture
def tenant(session: Session) -> Tenant:
    return make_tenant(session, customer="cus_mapped")


def test_the_environment_wins_over_staff_and_staff_over_the_price_itself(session: Session) -> None:
    told = item("price_x", metadata={"plan": "starter"})
    assert plan_of_items(session, [told], NO_PINS) == ("starter", "monthly", "price_x")
    map_price(session, "price_x", "professional", "yearly", mapped_by="sam@example.com", now=NOON)
    assert plan_of_items(session, [told], NO_PINS) == ("professional", "yearly", "price_x")
    pins = PricePins(plans={"price_x": ("enterprise", "monthly")}, meters={})
    assert plan_of_items(session, [told], pins) == ("enterprise", "monthly", "price_x")


def test_an_archived_price_of_the_catalogue_keeps_its_plan(session: Session) -> None:
    store_price(session, catalogue_price("price_old"))
    store_price(session, catalogue_price("price_new"))
    assert session.get_one(CatalogPrice, "price_old").active is False
    assert plan_of_items(session, [item("price_old")], NO_PINS) == ("starter", "monthly", "price_old")


@pytest.mark.parametrize(
    "told",
    [
        {"metadata": {"plan": "professional"}},
        {"lookup_key": "professional_monthly"},
        {"product_id": "countinghouse_professional"},
    ],
    ids=["metadata", "lookup key", "product"],
)
def test_a_price_made_by_hand_tells_its_plan(session: Session, told: dict[str, Any]) -> None:
    assert plan_of_items(session, [item("price_hand", **told)], NO_PINS) == ("professional", "monthly", "price_hand")
    yearly = item("price_hand", interval="year", **told)
    assert plan_of_items(session, [yearly], NO_PINS) == ("professional", "yearly", "price_hand")
    quarterly = item("price_hand", interval_count=3, **told)
    assert plan_of_items(session, [quarterly], NO_PINS) == ("professional", None, "price_hand")


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"metadata": {"plan": "gold"}},
        {"lookup_key": "gold_monthly"},
        {"product_id": "countinghouse_gold"},
        {"product_id": "prod_starter"},
        {"is_metered": True, "metadata": {"plan": "starter"}},
    ],
)
def test_a_price_that_tells_nothing_of_ours_means_no_plan(session: Session, told: dict[str, Any]) -> None:
    assert plan_of_items(session, [item("price_hand", **told)], NO_PINS) is None


def test_an_add_on_beside_the_base_fee_is_no_matter(session: Session, tenant: Tenant) -> None:
    store_price(session, catalogue_price("price_base"))
    subscribe(session, tenant, item("price_addon"), item("price_base"))
    found = subscription_of(session, tenant)
    assert (found.plan, found.price_id, found.unknown_price_ids) == ("starter", "price_base", [])
    assert found.price_ids == ["price_addon", "price_base"]


def test_an_unknown_price_is_kept_and_shown_and_is_not_free(session: Session, tenant: Tenant) -> None:
    subscribe(session, tenant, item("price_odd"), item("price_sms", is_metered=True))
    found = subscription_of(session, tenant)
    assert (found.plan, found.interval, found.price_id, found.unknown_price_ids) == (None, None, None, ["price_odd"])
    summary = view_subscription(session, tenant.id)
    assert summary is not None
    assert summary.plan_name == "Other plan"
    assert not any(card.is_current for card in list_plans(session, tenant.id, may_buy=True))
    report = report_usage(session, tenant, find_scope(session, tenant, Wanted(), NOON), NOON)
    assert report.plan_label == "Other plan"
    assert {each.included for each in report.allowances} == {None}
    (row,) = list_unknown_prices(session)
    assert (row.price_id, row.tenant_id, row.tenant_name) == ("price_odd", tenant.id, tenant.name)


def test_usage_on_an_unknown_plan_has_no_cap_of_free(session: Session, tenant: Tenant) -> None:
    with pytest.raises(CapReached, match="that the Free plan includes"):
        reserve(session, tenant.id, "SMS_SENT", 1_000, key="before", now=NOON)
    subscribe(session, tenant, item("price_odd"))
    reserve(session, tenant.id, "SMS_SENT", 1_000, key="after", now=NOON)


def test_thresholds_of_an_unknown_plan_are_not_those_of_free(session: Session, tenant: Tenant) -> None:
    for plan in ("free", "starter"):
        tiers = [{"up_to": 20, "unit_amount_decimal": "0"}, {"up_to": None, "unit_amount_decimal": "2"}]
        store_price(session, catalogue_price(f"price_{plan}", plan, usage_type="SMS_SENT", tiers=tiers))
    subscribe(session, tenant, item("price_odd"))
    record(session, tenant, quantity=500)
    assert announce_thresholds(session, tenant.id, NOON) == 0


def test_a_subscription_keeps_the_metered_prices_it_was_sold_with(session: Session, tenant: Tenant) -> None:
    def tiers(included: int) -> list[dict[str, Any]]:
        return [{"up_to": included, "unit_amount_decimal": "0"}, {"up_to": None, "unit_amount_decimal": "2"}]

    store_price(session, catalogue_price("price_base"))
    store_price(session, catalogue_price("price_sms", usage_type="SMS_SENT", tiers=tiers(100)))
    subscribe(session, tenant, item("price_base"), item("price_sms", is_metered=True))
    store_price(session, catalogue_price("price_sms_new", usage_type="SMS_SENT", tiers=tiers(10)))
    report = report_usage(session, tenant, find_scope(session, tenant, Wanted(), NOON), NOON)
    assert next(each.included for each in report.allowances if each.usage_type.name == "SMS_SENT") == 100


def test_a_mapping_gives_subscription_and_periods_their_plan_and_tells_the_tenant(
    session: Session, tenant: Tenant
) -> None:
    subscribe(session, tenant, item("price_odd"))
    map_price(session, "price_odd", "enterprise", "yearly", mapped_by="sam@example.com", now=NOON)
    assert tenants_with_unknown_prices(session) == [tenant.id]
    assert settle_unknown_prices(session, tenant.id, NO_PINS, NOON) == 1
    found = subscription_of(session, tenant)
    assert (found.plan, found.interval, found.price_id, found.unknown_price_ids) == (
        "enterprise",
        "yearly",
        "price_odd",
        [],
    )
    assert session.scalars(select(BillingPeriod.plan).where(BillingPeriod.tenant_id == tenant.id)).all() == [
        "enterprise"
    ]
    assert list_periods(session, tenant, NOON)[0].priced_as == "enterprise"
    assert list_unknown_prices(session) == []
    assert settle_unknown_prices(session, tenant.id, NO_PINS, NOON) == 0
    subscribe(session, tenant, item("price_odd"))  # a webhook later says the same
    assert subscription_of(session, tenant).plan == "enterprise"


def test_a_mapping_of_another_price_settles_nothing(session: Session, tenant: Tenant) -> None:
    subscribe(session, tenant, item("price_odd"))
    map_price(session, "price_other", "starter", "monthly", mapped_by="sam@example.com", now=NOON)
    assert settle_unknown_prices(session, tenant.id, NO_PINS, NOON) == 0
    assert subscription_of(session, tenant).unknown_price_ids == ["price_odd"]


def test_a_pin_added_later_settles_too(session: Session, tenant: Tenant) -> None:
    subscribe(session, tenant, item("price_odd"))
    pins = PricePins(plans={"price_odd": ("starter", "monthly")}, meters={})
    assert settle_unknown_prices(session, tenant.id, pins, NOON) == 1


def test_saying_it_again_replaces_what_was_said(session: Session) -> None:
    for plan in ("starter", "professional"):
        map_price(session, "price_odd", plan, "monthly", mapped_by="sam@example.com", now=NOON)
    assert [(each.price_id, each.plan) for each in list_mappings(session)] == [("price_odd", "professional")]
    assert plan_of_items(session, [item("price_odd")], NO_PINS) == BoughtPlan("professional", "monthly", "price_odd")


@pytest.mark.parametrize(
    ("price_id", "plan", "interval", "field"),
    [
        ("prod_1", "starter", "monthly", "price_id"),
        ("", "starter", "monthly", "price_id"),
        ("price_" + "x" * 300, "starter", "monthly", "price_id"),
        ("price_known", "starter", "monthly", "price_id"),
        ("price_odd", "gold", "monthly", "plan"),
        ("price_odd", "", "monthly", "plan"),
        ("price_odd", "starter", "weekly", "interval"),
    ],
)
def test_what_makes_no_sense_is_refused(session: Session, price_id: str, plan: str, interval: str, field: str) -> None:
    store_price(session, catalogue_price("price_known"))
    with pytest.raises(InvalidInput) as refused:
        map_price(session, price_id, plan, interval, mapped_by="sam@example.com", now=NOON)
    assert refused.value.field == field


def test_an_invoices_plan_is_that_of_its_base_fee(session: Session) -> None:
    store_price(session, catalogue_price("price_sms", usage_type="SMS_SENT"))
    assert read_prices(session, ["price_sms"]).plan_of_lines(["price_sms"]) == "starter"
    map_price(session, "price_odd", "enterprise", "monthly", mapped_by="sam@example.com", now=NOON)
    assert read_prices(session, ["price_sms", "price_odd"]).plan_of_lines(["price_sms", "price_odd"]) == "enterprise"
    assert read_prices(session, ["price_nobody"]).plan_of_lines(["price_nobody"]) is None
