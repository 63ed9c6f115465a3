"""Stripe's hosted Checkout, in both its modes, and the subscription that follows one in setup mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import stripe
from stripe import StripeClient

from dashboard.billing.ports.providers import ProviderRefused
from dashboard.billing.ports.subscriptions import LiveSubscription, NewCheckout, PromotionFacts, SetupFacts
from dashboard.integrations.stripe.client import domain_errors, if_there, keyed
from dashboard.integrations.stripe.portal_choice import PortalChoice
from dashboard.integrations.stripe.subscription_translate import live_subscription, promotion_facts
from dashboard.integrations.stripe.translate import id_of

if TYPE_CHECKING:
    from stripe.params import SubscriptionCreateParams
    from stripe.params.checkout import SessionCreateParams


PROMOTION = "promotion_code"


class StripeAccess:
    """What these parts of the gateway hold: the client, its portal, and whether Stripe is to work out taxes."""

    def __init__(self, client: StripeClient, *, automatic_tax: bool = False) -> None:
        self._v1 = client.v1
        self._portal = PortalChoice(client)
        self._automatic_tax = automatic_tax


class CheckoutGateway(StripeAccess):
    """Begins, reads and closes hosted checkouts."""

    def find_promotions(self, code: str) -> list[PromotionFacts]:
        """Those of this name, which is written without regard to case; the ones that are over too."""
        expand = ["data.promotion.coupon", "data.promotion.coupon.applies_to"]
        with domain_errors():
            listed = self._v1.promotion_codes.list({"code": code, "limit": 100, "expand": expand})
            return [promotion_facts(each) for each in listed.data]

    def open_checkout(self, wanted: NewCheckout, *, key: str) -> SetupFacts:
        """A hosted checkout of one plan."""
        shared = {
            "mode": wanted.mode,
            "customer": wanted.customer_id,
            "client_reference_id": str(wanted.tenant_id),
            "success_url": wanted.success_url,
            "cancel_url": wanted.cancel_url,
            "billing_address_collection": "required",
            "customer_update": {"address": "auto", "name": "auto"},
            "metadata": {**_metadata(wanted), **_promotion_note(wanted)},
        }
        own = self._selling(wanted) if wanted.mode == "subscription" else _keeping(wanted)
        params = cast("SessionCreateParams", {**shared, **own})
        with keyed(key):
            return _setup_facts(self._v1.checkout.sessions.create(params, {"idempotency_key": key}))

    def _selling(self, wanted: NewCheckout) -> dict[str, Any]:
        base, *metered = wanted.price_ids
        trial = {"trial_period_days": wanted.trial_days} if wanted.trial_days else {}
        return {
            "line_items": [{"price": base, "quantity": 1}, *({"price": price} for price in metered)],
            **({"discounts": _discounts(wanted)} if wanted.promotion_id else {"allow_promotion_codes": True}),
            "tax_id_collection": {"enabled": True},
            "automatic_tax": {"enabled": self._automatic_tax},
            "subscription_data": {"metadata": _metadata(wanted), **trial},
        }

    def read_checkout(self, session_id: str) -> SetupFacts | None:
        """The checkout as it is now, with the card that it kept, or None."""
        expand = {"expand": ["setup_intent"]}
        return if_there(lambda: _setup_facts(self._v1.checkout.sessions.retrieve(session_id, expand)))  # type: ignore[arg-type]

    def expire_checkout(self, session_id: str) -> None:
        """Close it; one that is over already stays as it is."""
        try:
            with domain_errors():
                self._v1.checkout.sessions.expire(session_id)
        except ProviderRefused:
            found = self.read_checkout(session_id)
            if found is not None and found.status == "open":
                raise

    def create_subscription(self, wanted: NewCheckout, *, checkout_id: str, payment_method_id: str) -> LiveSubscription:
        """One flexible subscription of mixed intervals: the yearly base and the monthly meters.

        A card that is declined leaves it `incomplete` with an open invoice, which the customer can pay for 23 hours.
        """
        base, *metered = wanted.price_ids
        key = f"subscription-of-{checkout_id}"
        params: dict[str, Any] = {
            "customer": wanted.customer_id,
            "items": [{"price": base, "quantity": 1}, *({"price": price} for price in metered)],
            "billing_mode": {"type": "flexible"},
            "default_payment_method": payment_method_id,
            "payment_behavior": "allow_incomplete",
            "automatic_tax": {"enabled": self._automatic_tax},
            "metadata": {**_metadata(wanted), "checkout_id": checkout_id},
        }
        if wanted.trial_days:
            params["trial_period_days"] = wanted.trial_days
        if wanted.promotion_id:
            params["discounts"] = _discounts(wanted)
        with keyed(key):
            self._v1.customers.update(
                wanted.customer_id, {"invoice_settings": {"default_payment_method": payment_method_id}}
            )
            created = self._v1.subscriptions.create(cast("SubscriptionCreateParams", params), {"idempotency_key": key})
        return live_subscription(created)


def _metadata(wanted: NewCheckout) -> dict[str, str]:
    return {"tenant_id": str(wanted.tenant_id), "plan": wanted.plan, "interval": wanted.interval}


def _discounts(wanted: NewCheckout) -> list[dict[str, str]]:
    return [{"promotion_code": wanted.promotion_id or ""}]


def _promotion_note(wanted: NewCheckout) -> dict[str, str]:
    """Kept with the checkout at Stripe: the subscription that follows one in setup mode is made with it."""
    return {PROMOTION: wanted.promotion_id} if wanted.promotion_id else {}


def _keeping(wanted: NewCheckout) -> dict[str, Any]:
    """Setup mode keeps a card and sells nothing, so it asks for no promotion code and works out no tax.

    In doubt: that it takes `tax_id_collection` and `customer_update`; the SDK's types allow both, Stripe's pages
    show them with the other modes only.
    """
    return {
        "currency": wanted.currency,
        "tax_id_collection": {"enabled": True},
        "setup_intent_data": {"metadata": _metadata(wanted)},
    }


def _setup_facts(session: stripe.checkout.Session) -> SetupFacts:
    intent = session.setup_intent
    return SetupFacts(
        id=session.id,
        status=session.status or "open",
        mode=session.mode,
        url=session.url,
        customer_id=id_of(session.customer),
        subscription_id=id_of(session.subscription),
        payment_method_id=id_of(intent.payment_method) if isinstance(intent, stripe.SetupIntent) else None,
        promotion_id=session.metadata.to_dict().get(PROMOTION) if session.metadata else None,
    )
