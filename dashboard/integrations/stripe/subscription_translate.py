"""Stripe's subscriptions, schedules and previews as the facts that a change of them needs."""

from __future__ import annotations

import stripe

from dashboard.billing.ports.subscriptions import (
    InvoicePreview,
    LiveItem,
    LiveSubscription,
    PreviewLine,
    PromotionFacts,
    ScheduledChange,
)
from dashboard.integrations.stripe.translate import id_of, maybe_moment, moment, subscription_facts


def live_subscription(subscription: stripe.Subscription) -> LiveSubscription:
    """A subscription with the ids of its items and what may stand in the way of a change."""
    pending = subscription.pending_update
    return LiveSubscription(
        facts=subscription_facts(subscription),
        items=tuple(
            LiveItem(
                id=item.id,
                price_id=item.price.id,
                is_metered=bool(item.price.recurring and item.price.recurring.usage_type == "metered"),
                period_start=moment(item.current_period_start),
                period_end=moment(item.current_period_end),
            )
            for item in subscription["items"].data
        ),
        schedule_id=id_of(subscription.schedule),
        has_pending_update=pending is not None,
        pending_expires_at=maybe_moment(pending.expires_at) if pending else None,
        latest_invoice_id=id_of(subscription.latest_invoice),
        trial_end=maybe_moment(subscription.trial_end),
        checkout_id=subscription.metadata.to_dict().get("checkout_id"),
    )


def promotion_facts(code: stripe.PromotionCode) -> PromotionFacts:
    """A promotion code whose coupon was expanded; one without a coupon takes nothing off and is over."""
    coupon = code.promotion.coupon if isinstance(code.promotion.coupon, stripe.Coupon) else None
    is_left = code.max_redemptions is None or code.times_redeemed < code.max_redemptions
    return PromotionFacts(
        id=code.id,
        is_active=code.active and is_left and coupon is not None and coupon.valid,
        customer_id=id_of(code.customer),
        expires_at=maybe_moment(code.expires_at),
        is_first_only=code.restrictions.first_time_transaction,
        currency=coupon.currency if coupon else None,
        minimum=code.restrictions.minimum_amount,
        product_ids=tuple(coupon.applies_to.products) if coupon and coupon.applies_to else None,
    )


def scheduled_change(schedule: stripe.SubscriptionSchedule) -> ScheduledChange | None:
    """What comes after the current phase, or None when nothing does."""
    current = schedule.current_phase
    if schedule.status != "active" or current is None:
        return None
    following = next((phase for phase in schedule.phases if phase.start_date >= current.end_date), None)
    if following is None:
        return None
    prices = tuple(id_of(item.price) or "" for item in following["items"])
    return ScheduledChange(schedule.id, prices, moment(following.start_date))


def invoice_preview(invoice: stripe.Invoice) -> InvoicePreview:
    """An invoice that does not exist yet."""
    return InvoicePreview(
        currency=invoice.currency,
        subtotal=invoice.subtotal,
        tax=sum(tax.amount for tax in invoice.total_taxes or []),
        total=invoice.total,
        amount_due=invoice.amount_due,
        due_at=moment(invoice.next_payment_attempt or invoice.created),
        lines=tuple(_line(line) for line in invoice.lines.auto_paging_iter()),
    )


def _line(line: stripe.InvoiceLineItem) -> PreviewLine:
    parent = line.parent
    details = (parent.subscription_item_details or parent.invoice_item_details) if parent else None
    pricing = line.pricing.price_details if line.pricing else None
    return PreviewLine(
        description=line.description or "",
        quantity=line.quantity,
        amount=line.amount,
        period_start=moment(line.period.start),
        period_end=moment(line.period.end),
        proration=bool(details and details.proration),
        price_id=id_of(pricing.price) if pricing else None,
    )
