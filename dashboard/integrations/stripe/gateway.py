"""What the domain asks of Stripe: objects by id, customers, hosted pages."""

from __future__ import annotations

from stripe import StripeClient

from dashboard.billing.ports.providers import (
    CustomerFacts,
)
from dashboard.integrations.stripe.checkout_gateway import CheckoutGateway, StripeAccess
from dashboard.integrations.stripe.client import domain_errors, if_there
from dashboard.integrations.stripe.event_gateway import EventGateway
from dashboard.integrations.stripe.invoice_gateway import InvoiceGateway
from dashboard.integrations.stripe.meter_reader import MeterReaderGateway
from dashboard.integrations.stripe.payment_gateway import PaymentGateway
from dashboard.integrations.stripe.proposal_gateway import ProposalGateway
from dashboard.integrations.stripe.subscription_gateway import SubscriptionGateway
from dashboard.integrations.stripe.translate import (
    customer_facts,
)


class StripeGateway(
    EventGateway,
    InvoiceGateway,
    MeterReaderGateway,
    ProposalGateway,
    CheckoutGateway,
    SubscriptionGateway,
    PaymentGateway,
):
    """The billing provider of `billing.ports`, by the official SDK."""

    def __init__(self, client: StripeClient, *, automatic_tax: bool = False) -> None:
        EventGateway.__init__(self, client)
        InvoiceGateway.__init__(self, client)
        MeterReaderGateway.__init__(self, client)
        ProposalGateway.__init__(self, client)
        StripeAccess.__init__(self, client, automatic_tax=automatic_tax)

    def fetch_customer(self, customer_id: str) -> CustomerFacts | None:
        """The customer as it is now, or None."""
        return if_there(lambda: customer_facts(self._v1.customers.retrieve(customer_id)))

    def fetch_entitlements(self, customer_id: str) -> tuple[str, ...] | None:
        """The lookup keys of the features the customer is entitled to now, or None for an unknown customer."""
        return if_there(lambda: self._lookup_keys(customer_id))

    def _lookup_keys(self, customer_id: str) -> tuple[str, ...]:
        listed = self._v1.entitlements.active_entitlements.list({"customer": customer_id, "limit": 100})
        return tuple(sorted(each.lookup_key for each in listed.auto_paging_iter()))

    def create_customer(self, *, tenant_id: int, name: str, email: str) -> str:
        """A customer that names our tenant in its metadata. Answers its id."""
        with domain_errors():
            customer = self._v1.customers.create(
                {"name": name, "email": email, "metadata": {"tenant_id": str(tenant_id)}}
            )
        return customer.id

    def update_customer(self, customer_id: str, *, name: str, email: str) -> None:
        """Overwrite the customer's name and address of mail."""
        with domain_errors():
            self._v1.customers.update(customer_id, {"name": name, "email": email})
