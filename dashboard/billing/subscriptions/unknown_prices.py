"""Subscriptions at prices that mean no plan of ours: who they are, and giving them their plan once it is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dashboard.billing.mirror.customers import hold_tenants
from dashboard.billing.notices.announcements import state_of_subscription, subscription_changed
from dashboard.billing.outgoing_webhooks.outbox import announce_all
from dashboard.billing.plans.known_prices import BoughtPlan, read_prices
from dashboard.billing.plans.plans import PricePins
from dashboard.models import BillingPeriod, Subscription, Tenant


@dataclass(frozen=True, slots=True)
class UnknownPrice:
    """A subscription whose price means no plan."""

    price_id: str
    tenant_id: int
    tenant_name: str
    subscription_id: str
    status: str
    since: datetime


def list_unknown_prices(session: Session, *, limit: int = 500) -> list[UnknownPrice]:
    """Every subscription without a plan and each price that could mean one, by price, then by tenant."""
    rows = session.execute(
        select(Subscription, Tenant.name)
        .join(Tenant, Tenant.id == Subscription.tenant_id)
        .where(Subscription.unknown_price_ids != [])
        .order_by(Subscription.tenant_id, Subscription.id)
        .limit(limit)
    )
    found = [
        UnknownPrice(price_id, each.tenant_id, name, each.id, each.status, each.created_at)
        for each, name in rows
        for price_id in each.unknown_price_ids
    ]
    return sorted(found, key=lambda each: (each.price_id, each.tenant_id, each.subscription_id))


def tenants_with_unknown_prices(session: Session) -> list[int]:
    """Tenants to ask `settle_unknown_prices` for."""
    return list(
        session.scalars(
            select(Subscription.tenant_id)
            .where(Subscription.unknown_price_ids != [])
            .distinct()
            .order_by(Subscription.tenant_id)
        )
    )


def settle_unknown_prices(session: Session, tenant_id: int, pins: PricePins, now: datetime) -> int:
    """Give the tenant's subscriptions the plan that their price means by now; answers how many got one.

    Nothing is fetched: only the meaning of the price is new. The mirror is held as by a sync, so that neither
    overwrites the other.
    """
    hold_tenants(session, [tenant_id])
    waiting = session.scalars(
        select(Subscription)
        .where(Subscription.tenant_id == tenant_id, Subscription.unknown_price_ids != [])
        .execution_options(populate_existing=True)
    ).all()
    prices = read_prices(session, {price_id for each in waiting for price_id in each.unknown_price_ids})
    settled = 0
    for subscription in waiting:
        bought = prices.bought_by(subscription.unknown_price_ids, pins)
        if bought is not None:
            _settle(session, subscription, bought, now)
            settled += 1
    return settled


def _settle(session: Session, subscription: Subscription, bought: BoughtPlan, now: datetime) -> None:
    before = state_of_subscription(subscription)
    subscription.plan, subscription.interval, subscription.price_id = bought.plan, bought.interval, bought.price_id
    subscription.unknown_price_ids = []
    session.flush()
    session.execute(
        update(BillingPeriod)
        .where(
            BillingPeriod.tenant_id == subscription.tenant_id,
            BillingPeriod.subscription_id == subscription.id,
            BillingPeriod.plan.is_(None),
        )
        .values(plan=bought.plan)
    )
    told = subscription_changed(
        subscription.tenant_id, subscription.id, before, state_of_subscription(subscription), now
    )
    announce_all(session, [told] if told else [], now)
