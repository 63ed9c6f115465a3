"""The second half of buying a yearly plan: the checkout kept a card, the subscription is made from it, once.

Stripe's Checkout cannot sell prices of different intervals together (docs: "Mixed interval subscriptions").
"""

from __future__ import annotations

from dashboard.billing.plans.plans import catalog
from dashboard.billing.ports.providers import ProviderRefused
from dashboard.billing.ports.subscriptions import NewCheckout, SetupFacts
from dashboard.billing.subscriptions.billing_desk import Desk, take_in_by_id
from dashboard.models import CheckoutSession


def finish_setup(desk: Desk, known: CheckoutSession, found: SetupFacts) -> None:
    """Make the subscription of a completed setup checkout, unless it or another one is there already.

    The caller holds the tenant's billing. Three things keep a replay, or two workers, from making two: the id kept
    with the checkout, the checkout's id in the subscription's metadata, and an idempotency key made of it (which
    Stripe forgets after a day). A promotion code that ended meanwhile leaves it without a subscription: nothing is
    charged that was not agreed to, and the tenant chooses again.
    """
    if known.subscription_id is not None or found.customer_id is None or found.payment_method_id is None:
        return
    theirs = desk.provider.list_subscriptions(found.customer_id, with_ended=True)
    made = next((each for each in theirs if each.checkout_id == known.id), None)
    if made is None:
        running = [each for each in theirs if each.status not in {"canceled", "incomplete_expired"}]
        if any(each.status != "incomplete" for each in running):
            return
        for each in running:
            desk.provider.end_now(each.id, key=desk.key_for(f"end-{each.id}"))
        wanted = _wanted(desk, known, found, found.customer_id)
        try:
            made = desk.provider.create_subscription(
                wanted, checkout_id=known.id, payment_method_id=found.payment_method_id
            )
        except ProviderRefused as refusal:
            if found.promotion_id is None or not _is_about_a_discount(refusal):
                raise
            return
    known.subscription_id = made.id
    desk.session.flush()
    take_in_by_id(desk, made.id)


def _is_about_a_discount(refusal: ProviderRefused) -> bool:
    """In doubt: Stripe's pages do not say what each refusal of a promotion code names, its parameter or a code."""
    told = f"{refusal.param} {refusal.code}"
    return any(word in told for word in ("discount", "promotion", "coupon"))


def _wanted(desk: Desk, known: CheckoutSession, found: SetupFacts, customer_id: str) -> NewCheckout:
    return NewCheckout(
        tenant_id=desk.tenant_id,
        customer_id=customer_id,
        plan=known.plan,
        interval=known.interval,
        mode=known.mode,
        price_ids=tuple(known.price_ids),
        trial_days=known.trial_days,
        currency=catalog().currency,
        success_url="",
        cancel_url="",
        promotion_id=found.promotion_id,
    )
