"""What every billing action works with, and how it takes in what it caused at Stripe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.errors import NotNow
from dashboard.billing.invoices.invoices import sync_invoice
from dashboard.billing.mirror.billing_state import LIVE
from dashboard.billing.plans.plans import PricePins
from dashboard.billing.ports.providers import BillingProvider
from dashboard.billing.ports.subscriptions import LiveSubscription
from dashboard.billing.subscriptions.subscription_outlooks import apply_whole, whole_of
from dashboard.database import lock_object, try_lock_object
from dashboard.models import Subscription

# Neither live nor over: something is expected of the customer, or they paused.
RESTING = ("paused", "unpaid", "incomplete")


@dataclass(frozen=True, slots=True)
class Desk:
    """One billing action of one tenant. `key` is its idempotency key; each call to Stripe gets one made of it."""

    session: Session
    provider: BillingProvider
    pins: PricePins
    tenant_id: int
    key: str
    now: datetime

    def key_for(self, step: str) -> str:
        """The idempotency key of one call: another tenant's same key is another one."""
        return f"tenant-{self.tenant_id}-{self.key}-{step}"


def current_subscription(session: Session, tenant_id: int) -> Subscription | None:
    """The subscription a tenant acts on: the live one that counts, else one that rests, else None."""
    rows = session.scalars(
        select(Subscription)
        .where(Subscription.tenant_id == tenant_id, Subscription.status.in_([*LIVE, *RESTING]))
        .order_by(
            Subscription.status.in_(LIVE).desc(),
            (Subscription.status == "past_due").asc(),
            Subscription.created_at.desc(),
        )
    )
    return rows.first()


def need_subscription(desk: Desk) -> LiveSubscription:
    """The tenant's subscription as Stripe has it now, held until the transaction ends.

    The lock is that of the webhooks: none of them can overwrite our copy with something older than this action.
    Raises `NotNow` where there is none.
    """
    known = current_subscription(desk.session, desk.tenant_id)
    if known is None:
        raise NotNow("There is no subscription. Choose a plan first.")
    lock_object(desk.session, "stripe", known.id)
    found = desk.provider.read_subscription(known.id)
    if found is None or found.status in {"canceled", "incomplete_expired"}:
        if found is not None:
            take_in(desk, found)
        raise NotNow("The subscription has ended. Choose a plan to begin a new one.")
    return found


def take_in(desk: Desk, live: LiveSubscription) -> None:
    """Overwrite our copies of a subscription and its latest invoice: the page after the action shows the outcome.

    An invoice whose lock is taken is left to its webhook, which has it in hand; waiting for it could wait for ever.
    """
    if live.latest_invoice_id is not None and try_lock_object(desk.session, "stripe", live.latest_invoice_id):
        invoice = desk.provider.fetch_invoice(live.latest_invoice_id)
        if invoice is not None:
            sync_invoice(desk.session, invoice, desk.now)
    apply_whole(desk.session, desk.pins, whole_of(desk.provider, live), desk.now)


def take_in_by_id(desk: Desk, subscription_id: str) -> None:
    """The same for a subscription that is fetched here, under its lock."""
    lock_object(desk.session, "stripe", subscription_id)
    live = desk.provider.read_subscription(subscription_id)
    if live is not None:
        take_in(desk, live)


def need_status(live: LiveSubscription, allowed: tuple[str, ...], what: str) -> None:
    """Raises `NotNow` unless the subscription's status is one of those in which `what` can be done."""
    if live.status in allowed:
        return
    if live.status == "past_due":
        raise NotNow(f"A payment is overdue. Pay the open invoice first, then {what}.")
    raise NotNow(f"The subscription is {live.status.replace('_', ' ')}: it is not possible to {what}.")
