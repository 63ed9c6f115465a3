"""The forecast of a billing period: from the tenant's days, through its tiers, to the invoice."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.billing.costs.forecast import Forecast, forecast_period, shares_of_days
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.periods.periods import list_periods
from dashboard.billing.plans.plans import store_price
from dashboard.models import CatalogPrice, Subscription, SubscriptionOutlook, Tenant, UsageDay, UsageRollup
from tests.factories import NOON, make_period, make_tenant

START = NOON - timedelta(days=10)
END = NOON + timedelta(days=20)


def use(session: Session, tenant: Tenant, usage_type: str, at: datetime, quantity: int) -> None:
    """A bucket of usage and its day, without the ledger rows behind them: a forecast reads days only."""
    more = {"tenant_id": tenant.id, "usage_type": usage_type, "quantity": quantity, "last_at": at, "recorded_at": at}
    session.execute(insert(UsageRollup).values(bucket_start=at, events=1, **more))
    day = insert(UsageDay).values(day_start=at.replace(hour=0, minute=0, second=0, microsecond=0), events=1, **more)
    is_level = USAGE_TYPES[usage_type].is_level
    total = day.excluded.quantity if is_level else UsageDay.quantity + day.excluded.quantity
    keys = ["tenant_id", "usage_type", "day_start"]
    session.execute(day.on_conflict_do_update(index_elements=keys, set_={"quantity": total}))


def use_daily(session: Session, tenant: Tenant, usage_type: str, quantity: int, days: int) -> None:
    """The same on each of the last `days` whole days, at nine."""
    for n in range(1, days + 1):
        use(session, tenant, usage_type, NOON.replace(hour=9) - timedelta(days=n), quantity)


@pytest.fixture
def tenant(session: Session) -> Tenant:
    """On Starter, $29 a month, 100 texts included, 2.4 cents for each beyond; a third of the period is over."""
    tenant = make_tenant(session, now=NOON - timedelta(days=100))
    make_period(session, tenant, START, END)
    tiers = [{"up_to": 100, "unit_amount_decimal": "0"}, {"up_to": None, "unit_amount_decimal": "2.4"}]
    price = {"product_id": "prod_1", "plan": "starter", "interval": "monthly", "currency": "usd", "active": True}
    store_price(session, CatalogPrice(price_id="price_base", usage_type=None, unit_amount=2_900, **price))
    store_price(session, CatalogPrice(price_id="price_sms", usage_type="SMS_SENT", tiers=tiers, **price))
    session.add(
        Subscription(
            tenant_id=tenant.id,
            id=f"sub_{tenant.id}",
            status="active",
            plan="starter",
            price_id="price_base",
            interval="monthly",
            price_ids=["price_base", "price_sms"],
            current_period_start=START,
            current_period_end=END,
            created_at=START,
            synced_at=START,
        )
    )
    session.flush()
    return tenant


def forecast(session: Session, tenant: Tenant, now: datetime = NOON) -> Forecast:
    (current, *_) = list_periods(session, tenant, now)
    return forecast_period(session, tenant, current, now)


def test_steady_usage_goes_on_and_costs_what_its_tiers_say(session: Session, tenant: Tenant) -> None:
    use_daily(session, tenant, "SMS_SENT", 10, 60)
    made = forecast(session, tenant)
    texts = next(each for each in made.types if each.usage_type.name == "SMS_SENT")
    assert (texts.used, texts.included) == (90, 100)  # the first morning was before the period began
    assert texts.expected == 90 + 200
    assert texts.low <= texts.expected <= texts.high
    assert texts.cost_expected == 456  # 190 x 2.4 cents
    assert (made.base_fee, made.total_expected) == (2_900, 3_356)
    assert made.total_low is not None
    assert made.total_high is not None
    assert 2_900 <= made.total_low <= 3_356 <= made.total_high


def test_a_type_that_was_never_used_is_expected_to_stay_so(session: Session, tenant: Tenant) -> None:
    use_daily(session, tenant, "SMS_SENT", 10, 30)
    clips = next(each for each in forecast(session, tenant).types if each.usage_type.name == "AI_VOICE_GENERATED")
    assert (clips.expected, clips.high, clips.cost_high) == (0, 0, 0)


def test_usage_now_and_then_is_not_expected_every_day(session: Session, tenant: Tenant) -> None:
    use_daily(session, tenant, "SMS_SENT", 10, 60)
    use(session, tenant, "AI_VOICE_GENERATED", NOON - timedelta(days=6), 60)
    clips = next(each for each in forecast(session, tenant).types if each.usage_type.name == "AI_VOICE_GENERATED")
    assert 60 < clips.expected < 60 + 20 * 10


def test_a_level_is_forecast_from_its_last_reading(session: Session, tenant: Tenant) -> None:
    for n in range(40):
        use(session, tenant, "STORAGE_USED_MB", NOON.replace(hour=2) - timedelta(days=n), 1_000 - 10 * n)
    stored = next(each for each in forecast(session, tenant).types if each.usage_type.name == "STORAGE_USED_MB")
    assert stored.used == 1_000
    assert stored.expected == pytest.approx(1_200, abs=10)


def test_without_a_whole_day_there_is_none_and_it_says_why(session: Session, tenant: Tenant) -> None:
    use(session, tenant, "SMS_SENT", NOON - timedelta(hours=1), 10)
    made = forecast(session, tenant)
    assert (made.types, made.total_expected, made.base_fee) == ((), None, 2_900)
    assert made.reason is not None
    assert "no whole day" in made.reason


def test_three_days_make_a_wide_interval(session: Session, tenant: Tenant) -> None:
    use_daily(session, tenant, "SMS_SENT", 50, 3)
    texts = next(each for each in forecast(session, tenant).types if each.usage_type.name == "SMS_SENT")
    assert texts.expected == pytest.approx(150 + 1_025, abs=30)  # half of today, too
    assert texts.high - texts.low > 0.8 * (texts.expected - texts.used)


def test_a_period_that_is_over_is_what_it_was(session: Session, tenant: Tenant) -> None:
    use_daily(session, tenant, "SMS_SENT", 10, 60)
    later = END + timedelta(days=1)
    over = next(period for period in list_periods(session, tenant, later) if period.starts_at == START)
    made = forecast_period(session, tenant, over, later)
    texts = next(each for each in made.types if each.usage_type.name == "SMS_SENT")
    assert (texts.low, texts.expected, texts.high) == (90, 90, 90)
    assert (made.base_fee, made.total_expected) == (0, 0)


@pytest.mark.parametrize("ends", ["cancelled", "yearly"])
def test_no_base_fee_comes_where_none_is_due_at_the_end(session: Session, tenant: Tenant, ends: str) -> None:
    use_daily(session, tenant, "SMS_SENT", 10, 30)
    if ends == "cancelled":
        session.get_one(Subscription, (tenant.id, f"sub_{tenant.id}")).cancel_at = END
    else:
        renewal = END + timedelta(days=200)
        session.add(SubscriptionOutlook(tenant_id=tenant.id, subscription_id=f"sub_{tenant.id}", renews_at=renewal))
    session.flush()
    assert forecast(session, tenant).base_fee == 0


def test_a_scheduled_plan_brings_its_own_base_fee(session: Session, tenant: Tenant) -> None:
    bigger = {"plan": "professional", "interval": "monthly", "currency": "usd", "unit_amount": 9_900, "active": True}
    store_price(session, CatalogPrice(price_id="price_pro", product_id="prod_2", usage_type=None, **bigger))
    outlook = {"scheduled_plan": "professional", "scheduled_interval": "monthly", "scheduled_at": END}
    session.add(SubscriptionOutlook(tenant_id=tenant.id, subscription_id=f"sub_{tenant.id}", **outlook))
    use_daily(session, tenant, "SMS_SENT", 10, 30)
    assert forecast(session, tenant).base_fee == 9_900


def test_free_is_never_billed(session: Session) -> None:
    tenant = make_tenant(session, now=NOON - timedelta(days=100))
    use_daily(session, tenant, "SMS_SENT", 10, 30)
    made = forecast(session, tenant)
    texts = next(each for each in made.types if each.usage_type.name == "SMS_SENT")
    assert (made.is_billed, texts.included, texts.cost_expected, made.total_high) == (False, 20, 0, 0)


def test_another_tenants_days_are_not_read(session: Session, tenant: Tenant) -> None:
    use_daily(session, make_tenant(session), "SMS_SENT", 1_000, 30)
    assert forecast(session, tenant).reason is not None


def test_a_forecast_asks_twice_whatever_the_history(session: Session, tenant: Tenant) -> None:
    use_daily(session, tenant, "SMS_SENT", 10, 90)
    (current, *_) = list_periods(session, tenant, NOON)
    statements: list[str] = []
    event.listen(session.connection(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    forecast_period(session, tenant, current, NOON)
    assert len(statements) == 2


def test_the_days_to_come_begin_with_the_rest_of_today() -> None:
    end = NOON + timedelta(days=1, hours=6)
    assert shares_of_days(NOON, end) == [0.5, 0.75]
