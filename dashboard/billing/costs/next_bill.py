"""What the invoice at the end of a period is made of: the tiers that rate its usage, and the next base fee."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from dashboard.billing.periods.periods import Period
from dashboard.billing.plans.plans import catalog, free_plan
from dashboard.billing.plans.pricing import Tiers, metered_prices
from dashboard.models import CatalogPrice, Subscription, SubscriptionOutlook


@dataclass(frozen=True, slots=True)
class Bill:
    """How a period is billed. `tiers` and `included` are by usage type; a type without tiers costs nothing that we
    know of. `base_fee` is minor units of `currency`, paid for the time after the period.
    """

    currency: str
    is_billed: bool
    base_fee: int = 0
    tiers: Mapping[str, Tiers] = field(default_factory=dict)
    included: Mapping[str, int] = field(default_factory=dict)


# The overview and every forecast ask for it: the statement is put together once.
_OWN = (
    select(
        Subscription.cancel_at,
        Subscription.ended_at,
        SubscriptionOutlook.renews_at,
        SubscriptionOutlook.scheduled_at,
        SubscriptionOutlook.scheduled_plan,
        SubscriptionOutlook.scheduled_interval,
        CatalogPrice,
    )
    .outerjoin(
        SubscriptionOutlook,
        (SubscriptionOutlook.tenant_id == Subscription.tenant_id)
        & (SubscriptionOutlook.subscription_id == Subscription.id),
    )
    .outerjoin(CatalogPrice, CatalogPrice.price_id == Subscription.price_ids.any_())
    .where(Subscription.tenant_id == bindparam("tenant_id"), Subscription.id == bindparam("subscription_id"))
)


def find_bill(session: Session, tenant_id: int, period: Period) -> Bill:
    """How this period is billed: one query for a subscription that keeps its plan.

    Free is never billed: it stops at what it includes.
    """
    if period.subscription_id is None:
        plan = free_plan()
        included = {name: plan.included(name) or 0 for name in plan.tiers}
        return Bill(catalog().currency, is_billed=False, included=included)
    rows = session.execute(_OWN, {"tenant_id": tenant_id, "subscription_id": period.subscription_id}).all()
    joined: list[CatalogPrice | None] = [row.CatalogPrice for row in rows]
    own = [price for price in joined if price is not None]
    metered = {price.usage_type: price for price in own if price.usage_type is not None}
    if period.plan is not None and all(price.plan != period.plan for price in metered.values()):
        metered = metered_prices(session, tenant_id, period.plan, period.subscription_id)
    base = next((price for price in own if price.usage_type is None), None)
    fee = _base_fee(session, rows[0], base, period) if rows else 0
    return Bill(
        currency=next((price.currency for price in own), catalog().currency),
        is_billed=True,
        base_fee=fee,
        tiers={name: price.tiers or [] for name, price in metered.items()},
        included={name: price.included for name, price in metered.items()},
    )


def _base_fee(session: Session, plan: Row[*tuple[Any, ...]], base: CatalogPrice | None, period: Period) -> int:
    """What is paid ahead on the invoice at the period's end. `plan` is a row of `_OWN`."""
    end = period.ends_at
    is_over = any(at is not None and at <= end for at in (plan.cancel_at, plan.ended_at))
    if is_over or not period.is_current:
        return 0
    if plan.scheduled_plan and plan.scheduled_at and plan.scheduled_at <= end:
        base = session.scalars(
            select(CatalogPrice).where(
                CatalogPrice.plan == plan.scheduled_plan,
                CatalogPrice.interval == plan.scheduled_interval,
                CatalogPrice.usage_type.is_(None),
                CatalogPrice.active,
            )
        ).first()
    elif plan.renews_at is not None and plan.renews_at > end:
        return 0
    return (base.unit_amount or 0) if base is not None else 0
