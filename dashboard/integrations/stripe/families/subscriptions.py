"""Subscriptions: status, plan and periods; schedules and checkouts lead to them."""

from __future__ import annotations

from dashboard.billing import subscriptions
from dashboard.billing.ports import BillingProvider, SubscriptionFacts
from dashboard.integrations.stripe.families.customers import CUSTOMER
from dashboard.integrations.stripe.subjects import (
    IGNORED,
    PROCESSED,
    Context,
    Kind,
    Outcome,
    Pointer,
    Subject,
    waits_for,
)


def apply_subscription(context: Context, _: str, facts: SubscriptionFacts | None) -> Outcome:
    """Overwrite our copy. Stripe keeps ended subscriptions, so one that is not there was never ours."""
    if facts is None:
        return IGNORED
    known = subscriptions.sync_subscription(context.session, facts, context.pins, context.now)
    return PROCESSED if known else waits_for(facts.customer_id)


SUBSCRIPTION = Kind(
    "subscription", 1, lambda provider, object_id: provider.fetch_subscription(object_id), apply_subscription
)


def follow_checkout(provider: BillingProvider, session_id: str) -> Subject | None:
    """What a checkout made: its subscription, or its customer while there is none (mode `setup`, or expired)."""
    facts = provider.fetch_checkout(session_id)
    if facts is None:
        return None
    if facts.subscription_id:
        return Subject(SUBSCRIPTION.name, facts.subscription_id)
    return Subject(CUSTOMER.name, facts.customer_id) if facts.customer_id else None


CHECKOUT = Pointer("checkout", follow_checkout)
