"""A subscription taken in whole: our mirror of what it is, and what is to come for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from dashboard.billing.customers import tenant_of_customer
from dashboard.billing.plan_mapping import plan_of_prices
from dashboard.billing.plans import PricePins
from dashboard.billing.ports import BillingProvider
from dashboard.billing.ports_subscriptions import LiveSubscription, ScheduledChange
from dashboard.billing.subscriptions import sync_subscription
from dashboard.models import SubscriptionOutlook


@dataclass(frozen=True, slots=True)
class WholeSubscription:
    """A subscription, and the change that its schedule brings, if it has one."""

    live: LiveSubscription
    scheduled: ScheduledChange | None

    @property
    def customer_id(self) -> str:
        """Whose it is, at Stripe."""
        return self.live.facts.customer_id


def read_whole(provider: BillingProvider, subscription_id: str) -> WholeSubscription | None:
    """Fetch it from Stripe, or None where there is none. The caller holds the subscription's lock."""
    live = provider.read_subscription(subscription_id)
    return whole_of(provider, live) if live is not None else None


def whole_of(provider: BillingProvider, live: LiveSubscription) -> WholeSubscription:
    """The same for one that was fetched already."""
    return WholeSubscription(live, provider.read_schedule(live.schedule_id) if live.schedule_id else None)


def apply_whole(session: Session, pins: PricePins, whole: WholeSubscription, now: datetime) -> bool:
    """Overwrite what we have of it. False when the customer is none of our tenants."""
    if not sync_subscription(session, whole.live.facts, pins, now):
        return False
    tenant = tenant_of_customer(session, whole.customer_id)
    if tenant is not None:
        session.merge(_outlook(session, pins, tenant.id, whole.live, whole.scheduled))
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
