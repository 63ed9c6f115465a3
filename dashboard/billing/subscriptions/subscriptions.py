"""Our mirror of Stripe subscriptions, the plan a tenant is on, and the periods it is billed by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.mirror.billing_state import LIVE
from dashboard.billing.mirror.mirror import Mirror, hold_mirrors
from dashboard.billing.mirror.mirror_rows import upsert_rows
from dashboard.billing.notices.announcements import SubscriptionState, subscription_changed
from dashboard.billing.periods.period_learning import ToldPeriod
from dashboard.billing.periods.period_segments import learn_stretches
from dashboard.billing.plans.known_prices import BoughtPlan, KnownPrices, read_prices
from dashboard.billing.plans.plan_mapping import base_price_ids, plan_by
from dashboard.billing.plans.plans import PricePins
from dashboard.billing.ports.providers import SubscriptionFacts
from dashboard.models import Subscription


def sync_subscription(session: Session, facts: SubscriptionFacts, pins: PricePins, now: datetime) -> bool:
    """Overwrite our copy from Stripe's. False when the customer is none of our tenants.

    Overwriting makes order and repeats of webhooks harmless (the caller fetched `facts` under the object's lock).
    """
    mirror = hold_mirrors(session, [facts.customer_id], now)
    prices = read_prices(session, {item.price_id for item in facts.items})
    sync_subscriptions(mirror, [facts], prices, pins)
    mirror.finish()
    return mirror.tenant_of(facts.customer_id) is not None


def sync_subscriptions(
    mirror: Mirror, subscriptions: Sequence[SubscriptionFacts], prices: KnownPrices, pins: PricePins
) -> None:
    """The same for several, as far as their tenants are known; `prices` knows those of their items."""
    ours = [(tenant_id, facts) for facts in subscriptions if (tenant_id := mirror.tenant_of(facts.customer_id))]
    before = _states(mirror, ours)
    rows, periods = [], []
    for tenant_id, facts in ours:
        bought, span = plan_by(prices, facts.items, pins), _metered_span(facts)
        row = _row(tenant_id, facts, bought, span, mirror.now)
        rows.append(row)
        if span and facts.status not in {"incomplete", "incomplete_expired"}:
            start, end = span
            end = end if facts.ended_at is None else max(start, min(end, facts.ended_at))
            periods.append(ToldPeriod(tenant_id, start, end, facts.id, bought.plan if bought else None))
        after = SubscriptionState(
            facts.status, bought.plan if bought else None, bought.interval if bought else None, facts.cancel_at
        )
        told = subscription_changed(tenant_id, facts.id, before.get((tenant_id, facts.id)), after, mirror.now)
        mirror.announce([told] if told else [])
        mirror.touch(tenant_id)
    upsert_rows(mirror.session, Subscription, rows)
    learn_stretches(mirror, periods)


def _states(mirror: Mirror, ours: Sequence[tuple[int, SubscriptionFacts]]) -> dict[tuple[int, str], SubscriptionState]:
    """What we knew of these subscriptions."""
    columns = (Subscription.status, Subscription.plan, Subscription.interval, Subscription.cancel_at)
    rows = mirror.session.execute(
        select(Subscription.tenant_id, Subscription.id, *columns).where(
            Subscription.tenant_id.in_({tenant_id for tenant_id, _ in ours}),
            Subscription.id.in_({facts.id for _, facts in ours}),
        )
    )
    return {(row[0], row[1]): SubscriptionState(*row[2:]) for row in rows}


def _row(
    tenant_id: int,
    facts: SubscriptionFacts,
    bought: BoughtPlan | None,
    span: tuple[datetime, datetime] | None,
    now: datetime,
) -> dict[str, object]:
    return {
        "tenant_id": tenant_id,
        "id": facts.id,
        "status": facts.status,
        "plan": bought.plan if bought else None,
        "interval": bought.interval if bought else None,
        "price_id": bought.price_id if bought else None,
        "price_ids": [item.price_id for item in facts.items],
        "unknown_price_ids": [] if bought else base_price_ids(facts.items),
        "current_period_start": span[0] if span else None,
        "current_period_end": span[1] if span else None,
        "cancel_at": facts.cancel_at,
        "ended_at": facts.ended_at,
        "created_at": facts.created_at,
        "synced_at": now,
    }


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
