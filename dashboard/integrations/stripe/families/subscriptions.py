"""Subscriptions with what is planned for them, and the checkouts that make them."""

from __future__ import annotations

from dashboard.billing import checkouts, subscription_outlooks
from dashboard.billing.ports_subscriptions import SetupFacts
from dashboard.billing.subscription_outlooks import WholeSubscription
from dashboard.integrations.stripe.subjects import IGNORED, PROCESSED, Context, Kind, Outcome, waits_for


def apply_subscription(context: Context, _: str, whole: WholeSubscription | None) -> Outcome:
    """Overwrite our copy. Stripe keeps ended subscriptions, so one that is not there was never ours."""
    if whole is None:
        return IGNORED
    known = subscription_outlooks.apply_whole(context.session, context.pins, whole, context.now)
    return PROCESSED if known else waits_for(whole.customer_id)


SUBSCRIPTION = Kind("subscription", 1, subscription_outlooks.read_whole, apply_subscription)


def apply_checkout(context: Context, _: str, found: SetupFacts | None) -> Outcome:
    """A finished checkout made a subscription, or kept the card for one that we make now."""
    if found is None:
        return IGNORED
    known = checkouts.apply_checkout(context.session, context.provider, context.pins, found, context.now)
    return PROCESSED if known else IGNORED


CHECKOUT = Kind("checkout", 1, lambda provider, object_id: provider.read_checkout(object_id), apply_checkout)
