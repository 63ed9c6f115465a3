"""The account at a glance: what is used up when, what it costs, how far a new tenant has come."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from dashboard.billing.limits.limits import set_budget
from dashboard.billing.plans.plans import store_price
from dashboard.billing.reports.overview import Meter, view_overview
from dashboard.billing.tenants.api_keys import create_api_key
from dashboard.models import CatalogPrice, Subscription, Tenant
from tests.factories import NOON, make_period, make_tenant, record

TIERS = [{"up_to": 100, "unit_amount_decimal": "0"}, {"up_to": None, "unit_amount_decimal": "2.4"}]


def subscribe(session: Session) -> Tenant:
    """A tenant on Starter, half of whose period is over; 100 texts are included."""
    tenant = make_tenant(session, now=NOON - timedelta(days=60))
    make_period(session, tenant, NOON - timedelta(days=15), NOON + timedelta(days=15))
    price = {"product_id": "prod", "plan": "starter", "interval": "monthly", "currency": "usd", "active": True}
    store_price(session, CatalogPrice(price_id="base", usage_type=None, unit_amount=2_900, **price))
    store_price(session, CatalogPrice(price_id="texts", usage_type="SMS_SENT", tiers=TIERS, **price))
    more = {"plan": "starter", "interval": "monthly", "created_at": NOON, "synced_at": NOON}
    prices = {"price_id": "base", "price_ids": ["base", "texts"]}
    session.add(Subscription(tenant_id=tenant.id, id=f"sub_{tenant.id}", status="active", **prices, **more))
    session.flush()
    return tenant


def texts(session: Session, tenant: Tenant) -> Meter:
    return next(each for each in view_overview(session, tenant, NOON).meters if each.usage_type.name == "SMS_SENT")


def use_daily(session: Session, tenant: Tenant, quantity: int) -> None:
    for days in range(1, 16):
        record(session, tenant, quantity=quantity, occurred_at=(NOON - timedelta(days=days)).isoformat())


def test_steady_usage_reaches_what_is_included_on_the_day_it_adds_up_to_it(session: Session) -> None:
    tenant = subscribe(session)
    use_daily(session, tenant, 5)
    overview = view_overview(session, tenant, NOON)
    assert overview.next is not None
    assert (overview.next.usage_type.name, overview.next.used, overview.next.remaining) == ("SMS_SENT", 75, 25)
    assert overview.next.reached_at is not None
    assert timedelta(days=4) < overview.next.reached_at - NOON < timedelta(days=6)


def test_what_is_over_costs_and_is_no_threshold_any_more(session: Session) -> None:
    tenant = subscribe(session)
    use_daily(session, tenant, 10)
    set_budget(session, tenant.id, 5_000, "usd", set_by="test", now=NOON)
    overview = view_overview(session, tenant, NOON)
    assert (overview.cost, overview.budget, overview.budget_stops) == (120, 5_000, True)
    assert texts(session, tenant).share == 150
    assert overview.next is None
    assert overview.forecast.total_expected is not None
    assert overview.forecast.total_expected > 2_900 + 120


def test_what_will_last_is_no_threshold(session: Session) -> None:
    tenant = subscribe(session)
    use_daily(session, tenant, 2)
    assert texts(session, tenant).reached_at is None


def test_a_new_tenant_is_told_how_far_it_has_come(session: Session) -> None:
    tenant = make_tenant(session)
    fresh = view_overview(session, tenant, NOON)
    assert (fresh.has_key, fresh.has_usage, fresh.updated_at, fresh.cost) == (False, False, None, 0)
    assert fresh.forecast.reason is not None
    create_api_key(session, tenant.id, "texts", NOON)
    record(session, tenant)
    after = view_overview(session, tenant, NOON)
    assert (after.has_key, after.has_usage, after.updated_at) == (True, True, NOON)
