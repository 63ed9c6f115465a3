"""Our mirror of Stripe subscriptions, the plan a tenant is on, and the periods it is billed by."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.announcements import announce_subscription, state_of_subscription
from dashboard.billing.billing_state import mark_stale
from dashboard.billing.catalog import PlanDefinition
from dashboard.billing.customers import hold_mirror
from dashboard.billing.period_segments import learn_stretches
from dashboard.billing.plan_mapping import base_price_ids, plan_of_items
from dashboard.billing.plans import PLANS, PricePins, free_plan
from dashboard.billing.ports import SubscriptionFacts
from dashboard.models import Subscription

# A tenant keeps its plan while Stripe still tries to collect (past_due); unpaid and paused give it up.
LIVE = ("active", "trialing", "past_due")


def sync_subscription(session: Session, facts: SubscriptionFacts, pins: PricePins, now: datetime) -> bool:
    """Overwrite our copy from Stripe's. False when the customer is none of our tenants.

    Overwriting makes order and repeats of webhooks harmless (the caller fetched `facts` under the object's lock).
    """
    tenant = hold_mirror(session, facts.customer_id)
    if tenant is None:
        return False
    bought = plan_of_items(session, facts.items, pins)
    span = _metered_span(facts)
    before = state_of_subscription(session.get(Subscription, (tenant.id, facts.id), populate_existing=True))
    subscription = session.merge(
        Subscription(
            tenant_id=tenant.id,
            id=facts.id,
            status=facts.status,
            plan=bought.plan if bought else None,
            interval=bought.interval if bought else None,
            price_id=bought.price_id if bought else None,
            price_ids=[item.price_id for item in facts.items],
            unknown_price_ids=[] if bought else base_price_ids(facts.items),
            current_period_start=span[0] if span else None,
            current_period_end=span[1] if span else None,
            cancel_at=facts.cancel_at,
            ended_at=facts.ended_at,
            created_at=facts.created_at,
            synced_at=now,
        )
    )
    session.flush()
    if span and facts.status not in {"incomplete", "incomplete_expired"}:
        start, end = span
        if facts.ended_at is not None:
            end = max(start, min(end, facts.ended_at))
        learn_stretches(
            session,
            tenant.id,
            starts_at=start,
            ends_at=end,
            subscription_id=facts.id,
            plan=bought.plan if bought else None,
        )
    announce_subscription(session, subscription, before, now)
    mark_stale(session, tenant.id, now)
    return True


def _metered_span(facts: SubscriptionFacts) -> tuple[datetime, datetime] | None:
    """The current period usage falls into: that of the metered items, else the shortest there is."""
    spans = [(item.period_start, item.period_end) for item in facts.items if item.is_metered]
    spans = spans or [(item.period_start, item.period_end) for item in facts.items]
    return min(spans, key=lambda span: span[1] - span[0], default=None)


def live_subscription(session: Session, tenant_id: int) -> Subscription | None:
    """The subscription that gives the tenant its plan, or None when it is on Free."""
    return next(iter(live_subscriptions(session, tenant_id)), None)


def live_subscriptions(session: Session, tenant_id: int) -> list[Subscription]:
    """Every live subscription, the one that counts first: the newest that is paid, then the newest that is overdue.

    We sell one for each tenant; a second one can only be made at Stripe itself. Pages name the others until they end.
    """
    return list(
        session.scalars(
            select(Subscription)
            .where(Subscription.tenant_id == tenant_id, Subscription.status.in_(LIVE))
            .order_by((Subscription.status == "past_due").asc(), Subscription.created_at.desc(), Subscription.id)
        )
    )


def plan_of_tenant(session: Session, tenant_id: int) -> PlanDefinition | None:
    """The plan the tenant is on; None where it has a subscription at a price that means no plan of the catalogue."""
    live = live_subscription(session, tenant_id)
    return PLANS.get(live.plan or "") if live else free_plan()
