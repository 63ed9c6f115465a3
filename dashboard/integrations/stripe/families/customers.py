"""Customers: the tie to the tenant, or its end."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.billing.mirror.customer_ties import sync_customers
from dashboard.billing.ports.providers import CustomerFacts
from dashboard.integrations.stripe.subjects import (
    IGNORED,
    PROCESSED,
    Context,
    Event,
    Kind,
    Outcome,
    Subject,
    fetch_each,
    id_in,
    waits_for,
)


def apply_customers(context: Context, found: Mapping[str, CustomerFacts | None]) -> dict[str, Outcome]:
    """Tie each to the tenant it names; a customer that names none waits until somebody ties it."""
    sync_customers(context.mirror, [facts for facts in found.values() if facts is not None])
    return {each: _outcome(context, each, facts) for each, facts in found.items()}


def _outcome(context: Context, customer_id: str, facts: CustomerFacts | None) -> Outcome:
    if facts is None:
        return IGNORED
    is_settled = facts.deleted or context.mirror.tenant_of(customer_id) is not None
    return PROCESSED if is_settled else waits_for(customer_id)


CUSTOMER = Kind(
    "customer", 0, fetch_each(lambda provider, object_id: provider.fetch_customer(object_id)), apply_customers
)


def customer_before(event: Event) -> Subject | None:
    """The customer that a detached payment method had."""
    data = event.get("data")
    before = data.get("previous_attributes") if isinstance(data, dict) else None
    customer_id = id_in(before, "customer") if isinstance(before, dict) else None
    return Subject(CUSTOMER.name, customer_id) if customer_id else None
