"""A subscription taken in whole: our mirror of what it is, and what is to come for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from dashboard.billing.mirror.mirror import Mirror, hold_mirrors
from dashboard.billing.mirror.mirror_rows import upsert_rows
from dashboard.billing.plans.known_prices import KnownPrices, read_prices
from dashboard.billing.plans.plans import PricePins
from dashboard.billing.ports.providers import BillingProvider
from dashboard.billing.ports.subscriptions import LiveSubscription, ScheduledChange
from dashboard.billing.subscriptions.subscriptions import sync_subscriptions
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

    @property
    def price_ids(self) -> set[str]:
        """The prices that it has, and those that it is to have."""
        scheduled = self.scheduled.price_ids if self.scheduled else ()
        return {item.price_id for item in self.live.facts.items} | set(scheduled)


def read_whole(provider: BillingProvider, subscription_id: str) -> WholeSubscription | None:
    """Fetch it from Stripe, or None where there is none. The caller holds the subscription's lock."""
    live = provider.read_subscription(subscription_id)
    return whole_of(provider, live) if live is not None else None


def whole_of(provider: BillingProvider, live: LiveSubscription) -> WholeSubscription:
    """The same for one that was fetched already."""
    return WholeSubscription(live, provider.read_schedule(live.schedule_id) if live.schedule_id else None)


def apply_whole(session: Session, pins: PricePins, whole: WholeSubscription, now: datetime) -> bool:
    """Overwrite what we have of it. False when the customer is none of our tenants."""
    mirror = hold_mirrors(session, [whole.customer_id], now)
    sync_wholes(mirror, pins, [whole])
    mirror.finish()
    return mirror.tenant_of(whole.customer_id) is not None


def sync_wholes(mirror: Mirror, pins: PricePins, wholes: Sequence[WholeSubscription]) -> None:
    """The same for several, as far as their tenants are known."""
    prices = read_prices(mirror.session, {price_id for whole in wholes for price_id in whole.price_ids})
    sync_subscriptions(mirror, [whole.live.facts for whole in wholes], prices, pins)
    rows = [
        _outlook(tenant_id, whole, prices, pins)
        for whole in wholes
        if (tenant_id := mirror.tenant_of(whole.customer_id))
    ]
    upsert_rows(mirror.session, SubscriptionOutlook, rows)


def _outlook(tenant_id: int, whole: WholeSubscription, prices: KnownPrices, pins: PricePins) -> dict[str, object]:
    live, scheduled = whole.live, whole.scheduled
    licensed = [item.period_end for item in live.items if not item.is_metered]
    to_come = prices.bought_by(scheduled.price_ids, pins) if scheduled else None
    return {
        "tenant_id": tenant_id,
        "subscription_id": live.id,
        "renews_at": max(licensed or [item.period_end for item in live.items], default=None),
        "trial_end": live.trial_end,
        "scheduled_plan": to_come.plan if to_come else None,
        "scheduled_interval": to_come.interval if to_come else None,
        "scheduled_at": scheduled.at if scheduled else None,
        "waiting_until": live.pending_expires_at,
    }
