"""Stripe's objects (API 2026-10-28.endive) as the domain's plain facts. The shapes are those of the SDK's classes."""

from __future__ import annotations

from datetime import UTC, datetime

import stripe

from dashboard.billing.ports.providers import (
    CustomerFacts,
    ItemFacts,
    SubscriptionFacts,
)


def moment(seconds: int) -> datetime:
    """Unix seconds as an aware UTC datetime."""
    return datetime.fromtimestamp(seconds, UTC)


def maybe_moment(seconds: int | None) -> datetime | None:
    """The same for a field that may be null."""
    return None if seconds is None else moment(seconds)


def id_of(value: object) -> str | None:
    """The id of a field that holds an id, an expanded object or nothing."""
    if value is None or isinstance(value, str):
        return value
    return str(value.id)  # type: ignore[attr-defined]


def customer_facts(customer: stripe.Customer) -> CustomerFacts:
    """A customer; our tenant's id is in its metadata."""
    if getattr(customer, "deleted", False):
        return CustomerFacts(customer.id, None, deleted=True)
    named = dict(customer.metadata.to_dict() if customer.metadata else {}).get("tenant_id", "")
    return CustomerFacts(customer.id, int(named) if named.isdigit() else None, deleted=False)


def subscription_facts(subscription: stripe.Subscription) -> SubscriptionFacts:
    """A subscription. Its periods live on the items (since API 2025-03-31.basil)."""
    return SubscriptionFacts(
        id=subscription.id,
        customer_id=id_of(subscription.customer) or "",
        status=subscription.status,
        items=tuple(
            ItemFacts(
                price_id=item.price.id,
                interval=item.price.recurring.interval if item.price.recurring else "month",
                is_metered=bool(item.price.recurring and item.price.recurring.usage_type == "metered"),
                period_start=moment(item.current_period_start),
                period_end=moment(item.current_period_end),
                interval_count=item.price.recurring.interval_count if item.price.recurring else 1,
                product_id=id_of(item.price.product),
                lookup_key=item.price.lookup_key,
                metadata=item.price.metadata.to_dict() if item.price.metadata else {},
            )
            for item in subscription["items"].data
        ),
        cancel_at=maybe_moment(subscription.cancel_at) or _period_end_cancel(subscription),
        ended_at=maybe_moment(subscription.ended_at),
        created_at=moment(subscription.created),
    )


def _period_end_cancel(subscription: stripe.Subscription) -> datetime | None:
    """`cancel_at_period_end` means the earliest item end."""
    if not subscription.cancel_at_period_end:
        return None
    return moment(min(item.current_period_end for item in subscription["items"].data))
