"""Subscriptions with what is planned for them, and the checkouts that make them."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.billing.ports.subscriptions import SetupFacts
from dashboard.billing.subscriptions import checkouts, subscription_outlooks
from dashboard.billing.subscriptions.subscription_outlooks import WholeSubscription
from dashboard.integrations.stripe.subjects import (
    IGNORED,
    PROCESSED,
    Context,
    Kind,
    Outcome,
    apply_each,
    fetch_each,
    waits_for,
)


def apply_subscriptions(context: Context, found: Mapping[str, WholeSubscription | None]) -> dict[str, Outcome]:
    """Overwrite our copies. Stripe keeps ended subscriptions, so one that is not there was never ours."""
    present = {each: whole for each, whole in found.items() if whole is not None}
    subscription_outlooks.sync_wholes(context.mirror, context.pins, list(present.values()))
    outcomes = dict.fromkeys(found, IGNORED)
    for each, whole in present.items():
        known = context.mirror.tenant_of(whole.customer_id) is not None
        outcomes[each] = PROCESSED if known else waits_for(whole.customer_id)
    return outcomes


SUBSCRIPTION = Kind("subscription", 1, fetch_each(subscription_outlooks.read_whole), apply_subscriptions)


def apply_checkout(context: Context, _: str, found: SetupFacts | None) -> Outcome:
    """A finished checkout made a subscription, or kept the card for one that we make now."""
    if found is None:
        return IGNORED
    known = checkouts.apply_checkout(context.session, context.provider, context.pins, found, context.now)
    return PROCESSED if known else IGNORED


CHECKOUT = Kind(
    "checkout",
    1,
    fetch_each(lambda provider, object_id: provider.read_checkout(object_id)),
    apply_each(apply_checkout),
    is_alone=True,
)
