"""Our mirror of subscriptions: plan, status and periods follow what Stripe says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session

from dashboard.billing.mirror.billing_state import find_state, follow_state
from dashboard.billing.mirror.payment_policy import PaymentPolicy
from dashboard.billing.plans.plans import PricePins, store_price
from dashboard.billing.ports.providers import ItemFacts, SubscriptionFacts
from dashboard.billing.subscriptions.subscriptions import live_subscription, sync_subscription
from dashboard.models import BillingPeriod, CatalogPrice, Subscription, Tenant
from tests.factories import NOON, make_tenant

NO_PINS = PricePins(plans={}, meters={})
POLICY = PaymentPolicy(grace=timedelta(days=7), stopped_statuses=frozenset())


def price(plan: str, interval: str = "monthly") -> CatalogPrice:
    return CatalogPrice(
        price_id=f"price_{plan}_{interval}",
        product_id=f"prod_{plan}",
        plan=plan,
        interval=interval,
        currency="usd",
        unit_amount=2900,
        active=True,
    )


def facts(
    tenant: Tenant,
    *,
    plan: str = "starter",
    start: datetime = NOON,
    subscription_id: str = "sub_1",
    status: str = "active",
) -> SubscriptionFacts:
    end = start + timedelta(days=30)
    return SubscriptionFacts(
        id=subscription_id,
        customer_id=tenant.stripe_customer_id or "",
        status=status,
        items=(ItemFacts(f"price_{plan}_monthly", "month", is_metered=False, period_start=start, period_end=end),),
        cancel_at=None,
        ended_at=None,
        created_at=start,
    )


def plan_of(session: Session, tenant: Tenant) -> str:
    """The plan that the tenant's pages and limits go by."""
    follow_state(session, tenant.id, POLICY, NOON)
    return find_state(session, tenant.id).plan


@pytest.fixture
def tenant(session: Session) -> Tenant:
    """A customer of Stripe, with two plans on sale."""
    for plan in ("starter", "professional"):
        store_price(session, price(plan))
    return make_tenant(session, customer="cus_subscribed")


def test_the_plan_follows_from_the_price(session: Session, tenant: Tenant) -> None:
    assert plan_of(session, tenant) == "free"
    sync_subscription(session, facts(tenant), NO_PINS, NOON)
    assert plan_of(session, tenant) == "starter"
    sync_subscription(session, facts(tenant, plan="professional"), NO_PINS, NOON)
    assert plan_of(session, tenant) == "professional"


def test_a_price_replaced_on_sale_keeps_meaning_its_plan(session: Session, tenant: Tenant) -> None:
    newer = price("starter")
    newer.price_id = "price_starter_new"
    store_price(session, newer)
    sync_subscription(session, facts(tenant), NO_PINS, NOON)
    assert plan_of(session, tenant) == "starter"


def test_a_pinned_price_wins_over_the_catalogue(session: Session, tenant: Tenant) -> None:
    pins = PricePins(plans={"price_starter_monthly": ("enterprise", "yearly")}, meters={})
    sync_subscription(session, facts(tenant), pins, NOON)
    live = live_subscription(session, tenant.id)
    assert live is not None
    assert (live.plan, live.interval) == ("enterprise", "yearly")


@pytest.mark.parametrize(
    ("status", "plan"),
    [
        ("trialing", "starter"),
        ("past_due", "starter"),
        ("unpaid", "free"),
        ("canceled", "free"),
        ("incomplete", "free"),
    ],
)
def test_only_a_live_status_gives_the_plan(session: Session, tenant: Tenant, status: str, plan: str) -> None:
    sync_subscription(session, facts(tenant, status=status), NO_PINS, NOON)
    assert plan_of(session, tenant) == plan


def test_usage_of_a_yearly_plan_is_billed_by_the_month_of_its_meters(session: Session, tenant: Tenant) -> None:
    year = ItemFacts("price_starter_yearly", "year", False, NOON, NOON + timedelta(days=365))
    month = ItemFacts("price_sms", "month", True, NOON, NOON + timedelta(days=30))
    sync_subscription(session, replace(facts(tenant), items=(year, month)), NO_PINS, NOON)
    period = session.scalars(select(BillingPeriod).where(BillingPeriod.tenant_id == tenant.id)).one()
    assert period.ends_at == NOON + timedelta(days=30)


def test_a_subscription_that_ended_early_shortens_its_period(session: Session, tenant: Tenant) -> None:
    sync_subscription(session, facts(tenant), NO_PINS, NOON)
    ended = replace(facts(tenant, status="canceled"), ended_at=NOON + timedelta(days=3))
    sync_subscription(session, ended, NO_PINS, NOON)
    period = session.scalars(select(BillingPeriod).where(BillingPeriod.tenant_id == tenant.id)).one()
    assert period.ends_at == NOON + timedelta(days=3)


def test_a_subscription_of_nobody_here_is_left_alone(session: Session, tenant: Tenant) -> None:
    assert not sync_subscription(session, replace(facts(tenant), customer_id="cus_other"), NO_PINS, NOON)
    assert session.scalar(select(func.count()).where(Subscription.tenant_id == tenant.id)) == 0


def test_webhooks_of_one_tenant_processed_at_once_do_not_deadlock(database_url: str) -> None:
    """Each learns a period, which wants the tenant's row alone while others hold its key."""
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"), pool_size=8)
    with Session(engine) as session:
        tenant = make_tenant(session, customer="cus_busy")
        session.commit()
        wanted = [
            facts(tenant, subscription_id=f"sub_{n}", start=NOON + timedelta(days=31 * n, minutes=1))
            for n in range(120)
        ]

    def process(each: SubscriptionFacts) -> None:
        with Session(engine) as session:
            sync_subscription(session, each, NO_PINS, NOON)
            session.commit()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(process, wanted))
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(BillingPeriod)) == len(wanted)
    engine.dispose()
