"""A tenant's subscription as pages and the API show it, from our own tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.mirror.billing_state import LIVE
from dashboard.billing.plans.plans import plan_name
from dashboard.billing.subscriptions.billing_desk import current_subscription
from dashboard.billing.subscriptions.subscriptions import live_subscriptions
from dashboard.models import Invoice, Subscription, SubscriptionOutlook

STATUS_LABELS = {
    "active": "Active",
    "trialing": "Trial",
    "past_due": "Payment overdue",
    "incomplete": "Waiting for payment",
    "unpaid": "Unpaid",
    "paused": "Paused",
}


@dataclass(frozen=True, slots=True)
class PaymentDue:
    """An invoice that waits for its payment, and Stripe's page where it can be paid with any card."""

    invoice_id: str
    amount_remaining: int
    currency: str
    pay_url: str | None


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    """The subscription a tenant has, live or resting. `plan_key` is None for prices that are not ours."""

    id: str
    status: str
    plan_key: str | None
    interval: str | None
    current_period_start: datetime | None
    current_period_end: datetime | None
    renews_at: datetime | None
    cancel_at: datetime | None
    trial_end: datetime | None
    scheduled_plan: str | None
    scheduled_interval: str | None
    scheduled_at: datetime | None
    waiting_until: datetime | None
    payment_due: PaymentDue | None
    others: list[str]

    @property
    def status_label(self) -> str:
        """The status in a word or two."""
        return STATUS_LABELS.get(self.status, self.status.replace("_", " ").capitalize())

    @property
    def plan_name(self) -> str:
        """The plan's name for people."""
        return plan_name(self.plan_key)

    @property
    def is_live(self) -> bool:
        """Whether it gives the tenant its plan."""
        return self.status in LIVE


def view_subscription(session: Session, tenant_id: int) -> SubscriptionView | None:
    """The tenant's subscription, or None where there is none (it is on Free)."""
    found = current_subscription(session, tenant_id)
    if found is None:
        return None
    outlook = session.get(SubscriptionOutlook, (tenant_id, found.id)) or SubscriptionOutlook()
    others = [each.id for each in live_subscriptions(session, tenant_id) if each.id != found.id]
    return SubscriptionView(
        id=found.id,
        status=found.status,
        plan_key=found.plan,
        interval=found.interval,
        current_period_start=found.current_period_start,
        current_period_end=found.current_period_end,
        renews_at=outlook.renews_at or found.current_period_end,
        cancel_at=found.cancel_at,
        trial_end=outlook.trial_end if found.status == "trialing" else None,
        scheduled_plan=outlook.scheduled_plan,
        scheduled_interval=outlook.scheduled_interval,
        scheduled_at=outlook.scheduled_at,
        waiting_until=outlook.waiting_until,
        payment_due=_payment_due(session, found, is_waiting=outlook.waiting_until is not None),
        others=others,
    )


def _payment_due(session: Session, subscription: Subscription, *, is_waiting: bool) -> PaymentDue | None:
    """Its newest open invoice, where something waits for that payment: the subscription, a change, or a resumption."""
    if not is_waiting and subscription.status in {"active", "trialing"}:
        return None
    invoice = session.scalars(
        select(Invoice)
        .where(
            Invoice.tenant_id == subscription.tenant_id,
            Invoice.subscription_id == subscription.id,
            Invoice.status == "open",
        )
        .order_by(Invoice.created_at.desc())
        .limit(1)
    ).first()
    if invoice is None:
        return None
    return PaymentDue(invoice.id, invoice.amount_remaining, invoice.currency, invoice.hosted_invoice_url)
