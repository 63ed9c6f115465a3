"""What each plan would have cost on the tenant's own last months."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from dashboard.billing.costs.plan_comparison import PlanComparison, compare_plans, month_before, read_months
from dashboard.billing.plans.plans import PLANS, active_prices, store_price
from dashboard.billing.plans.pricing import cost_of, rate_tiers, tiers_as_json
from dashboard.billing.subscriptions.plan_losses import find_losses, lost_features
from dashboard.models import CatalogPrice, Subscription, Tenant
from tests.factories import NOON, make_tenant, record

MAY, JUNE = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def prices(session: Session) -> list[CatalogPrice]:
    """The shipped catalogue as Stripe would have it: Starter $29, Professional $99, Enterprise $499."""
    for plan in PLANS.values():
        common: dict[str, Any] = {"product_id": "prod", "plan": plan.key, "currency": "usd", "active": True}
        for interval, amount in plan.prices.items():
            id_ = f"{plan.key}_{interval}"
            price = CatalogPrice(price_id=id_, interval=interval, usage_type=None, unit_amount=amount, **common)
            store_price(session, price)
        for name, tiers in plan.tiers.items():
            rows = tiers_as_json(tiers)
            price = CatalogPrice(
                price_id=f"{plan.key}_{name}", interval="monthly", usage_type=name, tiers=rows, **common
            )
            store_price(session, price)
    return active_prices(session)


def use(session: Session, tenant: Tenant, at: datetime, quantity: int, usage_type: str = "SMS_SENT") -> None:
    record(session, tenant, now=at, usage_type=usage_type, quantity=quantity, occurred_at=at.isoformat())


def compare(
    session: Session,
    tenant: Tenant,
    prices: list[CatalogPrice],
    current: Subscription | None = None,
    interval: str = "monthly",
) -> PlanComparison:
    return compare_plans(session, tenant.id, current, interval, NOON, prices=prices)


def subscribe(session: Session, tenant: Tenant, plan: str, price_ids: list[str]) -> Subscription:
    found = Subscription(
        tenant_id=tenant.id,
        id=f"sub_{tenant.id}",
        status="active",
        plan=plan,
        interval="monthly",
        price_ids=price_ids,
        created_at=MAY,
        synced_at=MAY,
    )
    session.add(found)
    session.flush()
    return found


def test_each_month_has_its_base_fee_and_its_own_included_amount(session: Session, prices: list[CatalogPrice]) -> None:
    tenant = make_tenant(session)
    use(session, tenant, MAY - timedelta(seconds=1), 1_100)
    use(session, tenant, MAY, 600)
    use(session, tenant, JUNE, 9_999)  # this month is not over
    costs = {each.key: each for each in compare(session, tenant, prices).plans}
    assert costs["starter"].by_month == (2_900 + 2_400, 2_900 + 1_200)  # 1,000 and 500 beyond 100, at 2.4 cents
    assert costs["professional"].by_month == (9_900 + 1_140, 9_900 + 190)
    assert costs["starter"].total == 9_400


def test_the_cheapest_plan_that_would_have_let_the_tenant_work_is_marked(
    session: Session, prices: list[CatalogPrice]
) -> None:
    tenant = make_tenant(session)
    use(session, tenant, MAY, 10_000)
    costs = {each.key: each for each in compare(session, tenant, prices).plans}
    assert [key for key, each in costs.items() if each.is_cheapest] == ["starter"]
    assert [kind.name for kind in costs["free"].stopped] == ["SMS_SENT"]
    use(session, make := make_tenant(session), MAY, 20)
    (free, *_) = compare(session, make, prices).plans
    assert (free.key, free.total, free.is_cheapest, free.is_current) == ("free", 0, True, True)


def test_a_year_counts_by_its_months_to_the_cent(session: Session, prices: list[CatalogPrice]) -> None:
    tenant = make_tenant(session)
    month = JUNE
    for _ in range(6):
        month = month_before(month)
        use(session, tenant, month, 1)
    costs = {each.key: each for each in compare(session, tenant, prices, interval="yearly").plans}
    assert costs["starter"].by_month == (2_416, 2_417, 2_417, 2_416, 2_417, 2_417)
    assert costs["starter"].total == 29_000 // 2


def test_the_own_plan_keeps_the_prices_it_was_sold_with(session: Session, prices: list[CatalogPrice]) -> None:
    old = {"price_id": "old_sms", "product_id": "prod", "plan": "starter", "interval": "monthly", "currency": "usd"}
    tiers = [{"up_to": None, "unit_amount_decimal": "1"}]
    session.add(CatalogPrice(**old, usage_type="SMS_SENT", tiers=tiers, active=False))
    tenant = make_tenant(session)
    use(session, tenant, MAY, 1_000)
    current = subscribe(session, tenant, "starter", ["starter_monthly", "old_sms"])
    costs = {each.key: each for each in compare(session, tenant, prices, current).plans}
    assert (costs["starter"].total, costs["starter"].is_current) == (2_900 + 1_000, True)
    assert costs["professional"].difference == 9_900 + 950 - 3_900


def test_a_level_costs_what_its_last_reading_of_the_month_does(session: Session, prices: list[CatalogPrice]) -> None:
    tenant = make_tenant(session)
    use(session, tenant, MAY, 9_000, "STORAGE_USED_MB")
    use(session, tenant, MAY + timedelta(days=20), 1_500, "STORAGE_USED_MB")
    assert [dict(each.totals) for each in read_months(session, tenant.id, NOON)] == [{"STORAGE_USED_MB": 1_500}]
    starter = next(each for each in compare(session, tenant, prices).plans if each.key == "starter")
    assert starter.total == 2_900 + 10  # 500 MB beyond, at 0.02 cents


def test_months_before_the_first_usage_and_other_tenants_do_not_count(
    session: Session, prices: list[CatalogPrice]
) -> None:
    tenant, other = make_tenant(session), make_tenant(session)
    use(session, other, MAY - timedelta(days=40), 500)
    assert compare(session, tenant, prices).plans == ()
    use(session, tenant, MAY, 1)
    assert [each.start for each in compare(session, tenant, prices).months] == [MAY]


def test_the_tiers_of_a_quantity_add_up_to_its_cost() -> None:
    tiers = [
        {"up_to": 1_000, "unit_amount_decimal": "0"},
        {"up_to": 1_200, "unit_amount_decimal": "0.79"},
        {"up_to": None, "unit_amount_decimal": "0.5"},
    ]
    parts = rate_tiers(tiers, 1_284)
    assert [(each.tier, each.units, each.amount) for each in parts] == [(1, 1_000, 0), (2, 200, 158), (3, 84, 42)]
    assert cost_of(tiers, 1_284) == 200


def test_a_smaller_plan_names_the_amounts_and_features_it_lacks() -> None:
    assert [each.usage_type.name for each in find_losses("professional", "starter")][:1] == ["SMS_SENT"]
    assert lost_features("professional", "starter") == ["Priority support"]
    assert lost_features("starter", "professional") == lost_features(None, "starter") == []
