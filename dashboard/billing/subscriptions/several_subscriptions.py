"""Tenants with more than one live subscription. We sell one for each: a second one was made at Stripe, by hand."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.billing.mirror.billing_state import LIVE
from dashboard.billing.subscriptions.subscriptions import live_subscriptions
from dashboard.models import Subscription, Tenant


@dataclass(frozen=True, slots=True)
class SeveralSubscriptions:
    """A tenant and its live subscriptions, the one that counts first."""

    tenant: Tenant
    subscriptions: list[Subscription]


def list_several_subscriptions(session: Session, *, limit: int = 100) -> list[SeveralSubscriptions]:
    """For staff: every tenant that is billed by more than one subscription, by name."""
    several = (
        select(Subscription.tenant_id)
        .where(Subscription.status.in_(LIVE))
        .group_by(Subscription.tenant_id)
        .having(func.count() > 1)
    )
    tenants = session.scalars(select(Tenant).where(Tenant.id.in_(several)).order_by(Tenant.name).limit(limit))
    return [SeveralSubscriptions(tenant, live_subscriptions(session, tenant.id)) for tenant in tenants]
