"""The tie between a tenant and its Stripe customer."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.errors import NotFound
from dashboard.billing.ports.providers import BillingProvider
from dashboard.database import lock_object, lock_objects
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


def hold_tenants(session: Session, tenant_ids: Collection[int]) -> None:
    """Hold the mirrors of these tenants until the transaction ends, in the order in which everybody takes them."""
    lock_objects(session, [("mirror-of", tenant_id) for tenant_id in sorted(tenant_ids)])


def tenants_of_customers(session: Session, customer_ids: Collection[str]) -> dict[str, int]:
    """The ids of the tenants that are these Stripe customers, by customer; customers of nobody are left out."""
    if not customer_ids:
        return {}
    rows = session.execute(
        select(Tenant.stripe_customer_id, Tenant.id).where(Tenant.stripe_customer_id.in_(customer_ids))
    )
    return {row.stripe_customer_id or "": row.id for row in rows}


def tenant_of_customer(session: Session, customer_id: str) -> Tenant | None:
    """The tenant that is this Stripe customer."""
    return session.scalars(select(Tenant).where(Tenant.stripe_customer_id == customer_id)).first()
