"""The tie between tenants and Stripe customers, overwritten from Stripe."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.billing.mirror.mirror import Mirror
from dashboard.billing.ports.providers import CustomerFacts
from dashboard.models import Tenant


def sync_customers(mirror: Mirror, customers: Sequence[CustomerFacts]) -> None:
    """A deleted customer is let go, one that names a tenant without a customer is tied to it."""
    for facts in customers:
        tenant_id = mirror.tenant_of(facts.id)
        if facts.deleted and tenant_id is not None:
            mirror.session.get_one(Tenant, tenant_id).stripe_customer_id = None
            mirror.let_go(facts.id)
        elif not facts.deleted and tenant_id is None and facts.tenant_id is not None:
            named = mirror.session.get(Tenant, facts.tenant_id)
            if named is not None and named.stripe_customer_id is None:
                named.stripe_customer_id = facts.id
                mirror.tie(facts.id, named.id)
    mirror.session.flush()
