"""What the domain asks of Stripe: objects by id, customers, hosted pages, meter events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast

import stripe
from stripe import StripeClient

from dashboard.billing.ports import (
    CheckoutFacts,
    CustomerFacts,
    InvoiceFacts,
    ProviderRefused,
    SubscriptionFacts,
)
from dashboard.integrations.stripe.client import domain_errors, is_missing
from dashboard.integrations.stripe.translate import (
    checkout_facts,
    customer_facts,
    invoice_facts,
    subscription_facts,
)


class StripeGateway:
    """The billing provider of `billing.ports`, by the official SDK."""

    def __init__(self, client: StripeClient) -> None:
        self._v1 = client.v1

    def fetch_customer(self, customer_id: str) -> CustomerFacts | None:
        """The customer as it is now, or None."""
        try:
            with domain_errors():
                return customer_facts(self._v1.customers.retrieve(customer_id))
        except ProviderRefused as refusal:
            return _none_if_missing(refusal)

    def fetch_subscription(self, subscription_id: str) -> SubscriptionFacts | None:
        """The subscription as it is now, or None."""
        try:
            with domain_errors():
                return subscription_facts(self._v1.subscriptions.retrieve(subscription_id))
        except ProviderRefused as refusal:
            return _none_if_missing(refusal)

    def fetch_invoice(self, invoice_id: str) -> InvoiceFacts | None:
        """The invoice as it is now with every line, or None (a deleted draft)."""
        try:
            with domain_errors():
                invoice = self._v1.invoices.retrieve(invoice_id)
                lines = list(invoice.lines.data)
                if invoice.lines.has_more:
                    listed = self._v1.invoices.line_items.list(invoice_id, {"limit": 100})
                    lines = list(listed.auto_paging_iter())
                return invoice_facts(invoice, lines)
        except ProviderRefused as refusal:
            return _none_if_missing(refusal)

    def fetch_checkout(self, session_id: str) -> CheckoutFacts | None:
        """The checkout as it is now, or None."""
        try:
            with domain_errors():
                return checkout_facts(self._v1.checkout.sessions.retrieve(session_id))
        except ProviderRefused as refusal:
            return _none_if_missing(refusal)

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
        with domain_errors():
            session = self._v1.checkout.sessions.create(
                {
                    "mode": "subscription",
                    "customer": customer_id,
                    "client_reference_id": str(tenant_id),
                    "line_items": [
                        {"price": base_price_id, "quantity": 1},
                        *({"price": price_id} for price_id in metered_price_ids),
                    ],
                    "success_url": success_url,
                    "cancel_url": cancel_url,
                    "subscription_data": {"metadata": {"tenant_id": str(tenant_id)}},
                }
            )
        return checkout_facts(session)

    def create_portal(self, *, customer_id: str, return_url: str) -> str:
        """The address of the hosted portal for this customer."""
        with domain_errors():
            session = self._v1.billing_portal.sessions.create(
                {"customer": customer_id, "return_url": return_url}
            )
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


def _none_if_missing(refusal: ProviderRefused) -> None:
    if not is_missing(refusal):
        raise refusal
