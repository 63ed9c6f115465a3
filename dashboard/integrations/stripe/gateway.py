"""What the domain asks of Stripe: objects by id, customers, hosted pages, meter events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, cast

import stripe
from stripe import StripeClient

from dashboard.billing.ports import (
    CheckoutFacts,
    CustomerFacts,
    ProviderRefused,
    SubscriptionFacts,
)
from dashboard.integrations.stripe.client import domain_errors, if_there
from dashboard.integrations.stripe.invoice_gateway import InvoiceGateway
from dashboard.integrations.stripe.portal_choice import PortalChoice
from dashboard.integrations.stripe.translate import (
    checkout_facts,
    customer_facts,
    subscription_facts,
)

if TYPE_CHECKING:
    from stripe.params.checkout import SessionCreateParamsLineItem


class StripeGateway(InvoiceGateway):
    """The billing provider of `billing.ports`, by the official SDK."""

    def __init__(self, client: StripeClient) -> None:
        super().__init__(client)
        self._portal = PortalChoice(client)

    def fetch_customer(self, customer_id: str) -> CustomerFacts | None:
        """The customer as it is now, or None."""
        return if_there(lambda: customer_facts(self._v1.customers.retrieve(customer_id)))

    def fetch_subscription(self, subscription_id: str) -> SubscriptionFacts | None:
        """The subscription as it is now, or None."""
        return if_there(lambda: subscription_facts(self._v1.subscriptions.retrieve(subscription_id)))

    def fetch_entitlements(self, customer_id: str) -> tuple[str, ...] | None:
        """The lookup keys of the features the customer is entitled to now, or None for an unknown customer."""
        return if_there(lambda: self._lookup_keys(customer_id))

    def _lookup_keys(self, customer_id: str) -> tuple[str, ...]:
        listed = self._v1.entitlements.active_entitlements.list({"customer": customer_id, "limit": 100})
        return tuple(sorted(each.lookup_key for each in listed.auto_paging_iter()))

    def fetch_checkout(self, session_id: str) -> CheckoutFacts | None:
        """The checkout as it is now, or None."""
        return if_there(lambda: checkout_facts(self._v1.checkout.sessions.retrieve(session_id)))

    def create_customer(self, *, tenant_id: int, name: str, email: str) -> str:
        """A customer that names our tenant in its metadata. Answers its id."""
        with domain_errors():
            customer = self._v1.customers.create(
                {"name": name, "email": email, "metadata": {"tenant_id": str(tenant_id)}}
            )
        return customer.id

    def create_checkout(
        self,
        *,
        tenant_id: int,
        customer_id: str,
        base_price_id: str,
        metered_price_ids: list[str],
        success_url: str,
        cancel_url: str,
    ) -> CheckoutFacts:
        """A hosted checkout of one plan: the base fee, and each meter without a quantity."""
        items: list[SessionCreateParamsLineItem] = [{"price": base_price_id, "quantity": 1}]
        items += [{"price": price_id} for price_id in metered_price_ids]
        with domain_errors():
            session = self._v1.checkout.sessions.create(
                {
                    "mode": "subscription",
                    "customer": customer_id,
                    "client_reference_id": str(tenant_id),
                    "line_items": items,
                    "success_url": success_url,
                    "cancel_url": cancel_url,
                    "subscription_data": {"metadata": {"tenant_id": str(tenant_id)}},
                }
            )
        return checkout_facts(session)

    def create_portal(self, *, customer_id: str, return_url: str) -> str:
        """The address of the hosted portal for this customer."""
        with domain_errors():
            params = self._portal.chosen({"customer": customer_id, "return_url": return_url})
            session = self._v1.billing_portal.sessions.create(params)
        return session.url

    def send_meter_event(
        self, *, event_name: str, payload: Mapping[str, str], identifier: str, timestamp: datetime
    ) -> bool:
        """Send one meter event; False when Stripe has its identifier already: that too is delivery."""
        try:
            with domain_errors():
                self._v1.billing.meter_events.create(
                    {
                        "event_name": event_name,
                        "payload": dict(payload),
                        "identifier": identifier,
                        "timestamp": int(timestamp.timestamp()),
                    }
                )
        except ProviderRefused as refusal:
            if _says_already_exists(refusal):
                return False
            raise
        return True


def _says_already_exists(refusal: ProviderRefused) -> bool:
    """Stripe has no error code for it; the words are "An event already exists with identifier …"."""
    cause = cast("stripe.StripeError", refusal.__cause__)
    return cause.http_status == 400 and "already exists" in str(refusal)
