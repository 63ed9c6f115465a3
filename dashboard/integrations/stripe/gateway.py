"""What the domain asks of Stripe: objects by id, customers, hosted pages, meter events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, cast

import stripe

from dashboard.billing.ports import (
    CheckoutFacts,
    CustomerFacts,
    InvoiceFacts,
    ProviderRefused,
    SubscriptionFacts,
)
from dashboard.integrations.stripe.client import domain_errors, if_there
from dashboard.integrations.stripe.event_gateway import EventGateway
from dashboard.integrations.stripe.translate import (
    checkout_facts,
    customer_facts,
    invoice_facts,
    subscription_facts,
)

if TYPE_CHECKING:
    from stripe.params.checkout import SessionCreateParamsLineItem


class StripeGateway(EventGateway):
    """The billing provider of `billing.ports`, by the official SDK."""

    def fetch_customer(self, customer_id: str) -> CustomerFacts | None:
        """The customer as it is now, or None."""
        return if_there(lambda: customer_facts(self._v1.customers.retrieve(customer_id)))

    def fetch_subscription(self, subscription_id: str) -> SubscriptionFacts | None:
        """The subscription as it is now, or None."""
        return if_there(lambda: subscription_facts(self._v1.subscriptions.retrieve(subscription_id)))

    def fetch_invoice(self, invoice_id: str) -> InvoiceFacts | None:
        """The invoice as it is now with every line, or None (a deleted draft)."""
        return if_there(lambda: self._whole_invoice(invoice_id))

    def _whole_invoice(self, invoice_id: str) -> InvoiceFacts:
        invoice = self._v1.invoices.retrieve(invoice_id)
        if not invoice.lines.has_more:
            return invoice_facts(invoice, invoice.lines.data)
        listed = self._v1.invoices.line_items.list(invoice_id, {"limit": 100})
        return invoice_facts(invoice, listed.auto_paging_iter())

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
            session = self._v1.billing_portal.sessions.create({"customer": customer_id, "return_url": return_url})
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
