"""Buying a plan: one hosted checkout for a tenant and choice, and never a second subscription."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.billing.errors import NotNow
from dashboard.billing.mirror.customers import ensure_customer, tenant_of_customer
from dashboard.billing.plans.offers import Offer, find_offer, selling
from dashboard.billing.plans.plans import PricePins
from dashboard.billing.ports.providers import BillingProvider
from dashboard.billing.ports.subscriptions import NewCheckout, SetupFacts
from dashboard.billing.subscriptions.billing_desk import Desk, take_in_by_id
from dashboard.billing.subscriptions.billing_requests import hold_billing
from dashboard.billing.subscriptions.promotion_codes import find_promotion
from dashboard.billing.subscriptions.setup_checkouts import finish_setup
from dashboard.models import CheckoutSession, CheckoutState, Subscription


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the hosted page leads: after success (`{CHECKOUT_SESSION_ID}` is filled in), and back."""

    success: str
    cancel: str


def start_checkout(
    desk: Desk, plan: object, interval: object, addresses: Addresses, promotion_code: object = None
) -> CheckoutSession:
    """The hosted checkout for this choice: the open one where there is one, else a new one.

    The caller holds the tenant's billing (`hold_billing`). Another choice closes the checkout that was open, a
    subscription that nobody paid for (`incomplete`) is ended.

    Raises `InvalidInput` (`plan`, `interval`, `promotion_code`) and `NotNow` where there is a subscription already.
    """
    offer = find_offer(desk.session, plan, interval, desk.pins)
    customer_id = ensure_customer(desk.session, desk.tenant_id, desk.provider)
    promotion_id = find_promotion(desk, promotion_code, offer, customer_id)
    days = trial_days(desk.session, desk.tenant_id, offer)
    opened = _close_others(desk, offer, days, promotion_id)
    _refuse_second(desk, customer_id)
    if opened is not None:
        return opened
    wanted = NewCheckout(
        tenant_id=desk.tenant_id,
        customer_id=customer_id,
        plan=offer.plan.key,
        interval=offer.interval,
        mode="subscription" if offer.interval == "monthly" else "setup",
        price_ids=offer.price_ids,
        trial_days=days,
        currency=offer.currency,
        success_url=addresses.success,
        cancel_url=addresses.cancel,
        promotion_id=promotion_id,
    )
    with selling(offer):
        made = desk.provider.open_checkout(wanted, key=desk.key_for("checkout"))
    return _store(desk, wanted, made)


def trial_days(session: Session, tenant_id: int, offer: Offer) -> int:
    """Days of trial: the plan's, for a tenant that never had a subscription."""
    had = session.scalar(select(func.count()).where(Subscription.tenant_id == tenant_id))
    return 0 if had else offer.plan.trial_days


def _close_others(desk: Desk, offer: Offer, days: int, promotion_id: str | None) -> CheckoutSession | None:
    """The tenant's open checkout if it is for this very choice and can still be paid; any other is closed."""
    known = desk.session.scalars(
        select(CheckoutSession).where(
            CheckoutSession.tenant_id == desk.tenant_id, CheckoutSession.state == CheckoutState.OPEN
        )
    ).first()
    if known is None:
        return None
    found = desk.provider.read_checkout(known.id)
    same = (known.plan, known.interval, known.trial_days) == (offer.plan.key, offer.interval, days)
    same = same and known.price_ids == list(offer.price_ids)
    if found is not None and found.status == "open" and same and found.promotion_id == promotion_id:
        return known
    if found is not None and found.status == "open":
        desk.provider.expire_checkout(known.id)
        found = desk.provider.read_checkout(known.id)
    settle_checkout(desk, known, found)
    return None


def settle_checkout(desk: Desk, known: CheckoutSession, found: SetupFacts | None) -> None:
    """Note what became of a checkout at Stripe; a completed one in setup mode becomes its subscription here, once."""
    if found is None or found.status == "expired":
        known.state = CheckoutState.EXPIRED
    elif found.status == "complete":
        known.state = CheckoutState.COMPLETE
        known.subscription_id = found.subscription_id or known.subscription_id
    desk.session.flush()
    if found is not None and found.status == "complete" and known.mode == "setup":
        finish_setup(desk, known, found)


def _refuse_second(desk: Desk, customer_id: str) -> None:
    """Asks Stripe, not our copy: the webhook of a purchase of a moment ago may still be on its way."""
    found = desk.provider.list_subscriptions(customer_id)
    for live in found:
        if live.status != "incomplete":
            take_in_by_id(desk, live.id)
            raise NotNow("There is a subscription already. Change its plan instead of buying another one.")
    for live in found:
        desk.provider.end_now(live.id, key=desk.key_for(f"end-{live.id}"))


def _store(desk: Desk, wanted: NewCheckout, made: SetupFacts) -> CheckoutSession:
    row = desk.session.get(CheckoutSession, (desk.tenant_id, made.id))
    if row is None:
        row = CheckoutSession(
            tenant_id=desk.tenant_id,
            id=made.id,
            plan=wanted.plan,
            interval=wanted.interval,
            mode=wanted.mode,
            price_ids=list(wanted.price_ids),
            trial_days=wanted.trial_days,
            url=made.url or "",
            state=CheckoutState.OPEN,
            created_at=desk.now,
        )
        desk.session.add(row)
        desk.session.flush()
    return row


def apply_checkout(
    session: Session, provider: BillingProvider, pins: PricePins, found: SetupFacts, now: datetime
) -> bool:
    """What a webhook about a checkout calls for: its state, and its subscription should that one's events be late.

    False when it is none of our tenants', or changes nothing here.
    """
    tenant = tenant_of_customer(session, found.customer_id) if found.customer_id else None
    if tenant is None:
        return False
    hold_billing(session, tenant.id)
    desk = Desk(session, provider, pins, tenant.id, f"checkout-{found.id}", now)
    known = session.get(CheckoutSession, (tenant.id, found.id), populate_existing=True)
    if known is not None:
        settle_checkout(desk, known, found)
    if found.subscription_id is not None:
        take_in_by_id(desk, found.subscription_id)
    return known is not None or found.subscription_id is not None
