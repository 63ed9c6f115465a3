"""The tie between a tenant and its Stripe customer."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.errors import NotFound
from dashboard.billing.ports import BillingProvider, CustomerFacts
from dashboard.database import lock_object
from dashboard.models import Tenant


def ensure_customer(session: Session, tenant_id: int, provider: BillingProvider) -> str:
    """The tenant's Stripe customer id, created at Stripe when there is none yet.

    Two requests at once make one customer: the second waits for the lock and finds it.
    Raises `NotFound`, `ProviderUnavailable`, `ProviderRefused`.
    """
    lock_object(session, "customer-of", tenant_id)
    tenant = session.get(Tenant, tenant_id, populate_existing=True)
    if tenant is None:
        raise NotFound(f"no tenant {tenant_id}")
    if tenant.stripe_customer_id is None:
        tenant.stripe_customer_id = provider.create_customer(
            tenant_id=tenant.id, name=tenant.name, email=tenant.billing_email
        )
        session.flush()
    return tenant.stripe_customer_id


def sync_customer(session: Session, facts: CustomerFacts) -> None:
    """Overwrite the tie from Stripe: a deleted customer is let go, one that names a tenant is tied to it."""
    tenant = tenant_of_customer(session, facts.id)
    if facts.deleted:
        if tenant is not None:
            tenant.stripe_customer_id = None
        return
    if tenant is None and facts.tenant_id is not None:
        named = session.get(Tenant, facts.tenant_id)
        if named is not None and named.stripe_customer_id is None:
            named.stripe_customer_id = facts.id
    session.flush()


def hold_mirror(session: Session, customer_id: str) -> Tenant | None:
    """The tenant of this customer, its mirror of Stripe held for this transaction alone.

    Two webhooks of one tenant at once would each hold the tenant's key and wait for the other's (a deadlock) when
    they learn a billing period; so they queue here, before either holds anything.
    """
    tenant = tenant_of_customer(session, customer_id)
    if tenant is not None:
        hold_tenant(session, tenant.id)
    return tenant


def hold_tenant(session: Session, tenant_id: int) -> None:
    """The same for a tenant that is known already."""
    lock_object(session, "mirror-of", tenant_id)


def tenant_of_customer(session: Session, customer_id: str) -> Tenant | None:
    """The tenant that is this Stripe customer."""
    return session.scalars(select(Tenant).where(Tenant.stripe_customer_id == customer_id)).first()
