"""A subscription taken in whole: our mirror of what it is, and what is to come for it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from dashboard.billing.customers import tenant_of_customer
from dashboard.billing.plan_mapping import plan_of_prices
from dashboard.billing.plans import PricePins
from dashboard.billing.ports import BillingProvider
from dashboard.billing.ports_subscriptions import LiveSubscription, ScheduledChange
from dashboard.billing.subscriptions import sync_subscription
from dashboard.models import SubscriptionOutlook


def sync_whole(
    session: Session, provider: BillingProvider, pins: PricePins, subscription_id: str, now: datetime
) -> bool:
    """Fetch a subscription and overwrite what we have of it. False when it is none of our tenants'.

    The caller holds the subscription's lock.
    """
    live = provider.read_subscription(subscription_id)
    return live is not None and take_in_subscription(session, provider, pins, live, now)


def take_in_subscription(
    session: Session, provider: BillingProvider, pins: PricePins, live: LiveSubscription, now: datetime
) -> bool:
    """The same for one that was fetched already."""
    scheduled = provider.read_schedule(live.schedule_id) if live.schedule_id else None
    if not sync_subscription(session, live.facts, pins, now):
        return False
    tenant = tenant_of_customer(session, live.facts.customer_id)
    if tenant is not None:
        session.merge(_outlook(session, pins, tenant.id, live, scheduled))
        session.flush()
    return True


def _outlook(
    session: Session, pins: PricePins, tenant_id: int, live: LiveSubscription, scheduled: ScheduledChange | None
) -> SubscriptionOutlook:
    licensed = [item.period_end for item in live.items if not item.is_metered]
    to_come = plan_of_prices(session, scheduled.price_ids, pins) if scheduled else None
    return SubscriptionOutlook(
        tenant_id=tenant_id,
        subscription_id=live.id,
        renews_at=max(licensed or [item.period_end for item in live.items], default=None),
        trial_end=live.trial_end,
        scheduled_plan=to_come[0] if to_come else None,
        scheduled_interval=to_come[1] if to_come else None,
        scheduled_at=scheduled.at if scheduled else None,
        waiting_until=live.pending_expires_at,
    )
