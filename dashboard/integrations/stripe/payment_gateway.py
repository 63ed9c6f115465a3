"""A customer's saved payment methods, and the hosted portal where they add one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import stripe

from dashboard.billing.ports.subscriptions import CardFacts
from dashboard.integrations.stripe.checkout_gateway import StripeAccess
from dashboard.integrations.stripe.client import domain_errors, keyed
from dashboard.integrations.stripe.translate import id_of

if TYPE_CHECKING:
    from stripe.params.billing_portal import SessionCreateParams


class PaymentGateway(StripeAccess):
    """Payment methods and the portal."""

    def open_portal(
        self, customer_id: str, *, return_url: str, flow: str | None, subscription_id: str | None, key: str
    ) -> str:
        """The address of the portal, or of the one thing in it that `flow` names; then back to `return_url`.

        In doubt: whether a card that is added there is charged by a subscription with a card of its own. Our page of
        payment methods shows which one is, and changes it.
        """
        params: dict[str, Any] = {"customer": customer_id, "return_url": return_url}
        if flow is not None:
            params["flow_data"] = {
                "type": flow,
                "after_completion": {"type": "redirect", "redirect": {"return_url": return_url}},
            }
            if flow == "subscription_cancel":
                params["flow_data"][flow] = {"subscription": subscription_id}
        with keyed(key):
            chosen = self._portal.chosen(cast("SessionCreateParams", params))
            opened = self._v1.billing_portal.sessions.create(chosen, {"idempotency_key": key})
        return opened.url

    def list_payment_methods(self, customer_id: str, subscription_id: str | None) -> tuple[list[CardFacts], str | None]:
        """The customer's payment methods, newest first, and the id of the one that this subscription is charged to.

        Checkout keeps a card with the subscription that it sold; only without one there the customer's own counts.
        """
        with domain_errors():
            customer = self._v1.customers.retrieve(customer_id)
            listed = self._v1.customers.payment_methods.list(customer_id, {"limit": 100})
            methods = [_card_facts(each) for each in listed.auto_paging_iter()]
            bought = self._v1.subscriptions.retrieve(subscription_id) if subscription_id else None
        settings = getattr(customer, "invoice_settings", None)
        own = id_of(bought.default_payment_method) if bought else None
        return methods, own or (id_of(settings.default_payment_method) if settings else None)

    def make_default(self, customer_id: str, method_id: str, subscription_ids: list[str], *, key: str) -> None:
        """What the customer's invoices are charged to; a subscription with a card of its own follows."""
        with keyed(key):
            self._v1.customers.update(
                customer_id,
                {"invoice_settings": {"default_payment_method": method_id}},
                {"idempotency_key": f"{key}-customer"},
            )
            for subscription_id in subscription_ids:
                self._v1.subscriptions.update(
                    subscription_id,
                    {"default_payment_method": method_id},
                    {"idempotency_key": f"{key}-{subscription_id}"},
                )

    def detach(self, method_id: str) -> None:
        """Take a payment method from its customer, for good."""
        with domain_errors():
            self._v1.payment_methods.detach(method_id)


def _card_facts(method: stripe.PaymentMethod) -> CardFacts:
    card = method.card
    return CardFacts(
        id=method.id,
        customer_id=id_of(method.customer),
        kind=method.type,
        brand=card.brand if card else None,
        last4=card.last4 if card else None,
        exp_month=card.exp_month if card else None,
        exp_year=card.exp_year if card else None,
    )
