"""Customers: the tie to the tenant, or its end."""

from __future__ import annotations

from dashboard.billing import customers
from dashboard.billing.ports import CustomerFacts
from dashboard.integrations.stripe.subjects import (
    IGNORED,
    PROCESSED,
    Context,
    Event,
    Kind,
    Outcome,
    Subject,
    id_in,
    waits_for,
)


def apply_customer(context: Context, _: str, facts: CustomerFacts | None) -> Outcome:
    """Tie it to the tenant it names; a customer that names none waits until somebody ties it."""
    if facts is None:
        return IGNORED
    customers.sync_customer(context.session, facts)
    if facts.deleted or customers.tenant_of_customer(context.session, facts.id):
        return PROCESSED
    return waits_for(facts.id)


CUSTOMER = Kind("customer", 0, lambda provider, object_id: provider.fetch_customer(object_id), apply_customer)


def customer_before(event: Event) -> Subject | None:
    """The customer that a detached payment method had."""
    data = event.get("data")
    before = data.get("previous_attributes") if isinstance(data, dict) else None
    customer_id = id_in(before, "customer") if isinstance(before, dict) else None
    return Subject(CUSTOMER.name, customer_id) if customer_id else None
