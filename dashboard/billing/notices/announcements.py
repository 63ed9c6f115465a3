"""What tenants hear of their subscriptions and invoices when a sync found that something really changed, and tests.

The sync holds the tenant's mirror, so what was there before is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.notices.notices import NoticeKind, ToldNotice
from dashboard.billing.outgoing_webhooks.outbox import Announcement
from dashboard.billing.outgoing_webhooks.outgoing_webhooks import announce
from dashboard.billing.outgoing_webhooks.webhook_endpoints import TEST_EVENT, find_endpoint
from dashboard.billing.ports.invoices import InvoiceFacts
from dashboard.models import Subscription

UNPAID = ("open", "uncollectible")


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """What of a subscription a tenant hears about."""

    status: str
    plan: str | None
    interval: str | None
    cancel_at: datetime | None

    def as_json(self) -> dict[str, object]:
        """As it stands in the message."""
        cancel_at = self.cancel_at.isoformat() if self.cancel_at else None
        return {"status": self.status, "plan": self.plan, "interval": self.interval, "cancel_at": cancel_at}


def state_of_subscription(subscription: Subscription) -> SubscriptionState:
    """Its state as we know it."""
    return SubscriptionState(subscription.status, subscription.plan, subscription.interval, subscription.cancel_at)


def subscription_changed(
    tenant_id: int,
    subscription_id: str,
    before: SubscriptionState | None,
    after: SubscriptionState,
    now: datetime,
) -> Announcement | None:
    """`subscription.changed` where status, plan, interval or end is another than before."""
    if after == before:
        return None
    data = {"id": subscription_id, **after.as_json(), "previous": before.as_json() if before else None}
    # The same state may come back, so the moment makes the key.
    key = f"subscription.changed:{subscription_id}:{now.isoformat()}"
    return Announcement(tenant_id, "subscription.changed", data, key)


@dataclass(frozen=True, slots=True)
class InvoiceState:
    """How far an invoice had come when it was fetched last. `payment_attempts` None: not known."""

    status: str
    is_final: bool
    payment_attempts: int | None


def invoice_steps(tenant_id: int, invoice: InvoiceFacts, before: InvoiceState | None) -> Iterator[Announcement]:
    """Each step that an invoice took since `before`, in their order; one sync may find several."""
    after = InvoiceState(invoice.status, invoice.finalized_at is not None, invoice.payment_attempts)
    if after == before:
        return
    steps = []
    if before is None:
        steps.append(("invoice.created", ""))
    if after.is_final and not (before and before.is_final):
        steps.append(("invoice.finalized", ""))
    if after.status in UNPAID and _tried_again(after, before):
        steps.append(("invoice.payment_failed", f":{after.payment_attempts}"))
    if after.status == "paid" and not (before and before.status == "paid"):
        steps.append(("invoice.paid", ""))
    for event_type, which in steps:
        yield Announcement(tenant_id, event_type, _as_json(invoice), f"{event_type}:{invoice.id}{which}")


def notices_of(tenant_id: int, invoice: InvoiceFacts, steps: Iterable[Announcement]) -> list[ToldNotice]:
    """What the tenant's people are told of these steps."""
    failed = [step for step in steps if step.event_type == "invoice.payment_failed"]
    return [ToldNotice(tenant_id, NoticeKind.PAYMENT_FAILED, _as_notice(invoice), step.key) for step in failed]


def _tried_again(after: InvoiceState, before: InvoiceState | None) -> bool:
    known = before.payment_attempts if before else 0
    return known is not None and (after.payment_attempts or 0) > known


def _as_json(invoice: InvoiceFacts) -> dict[str, object]:
    return {
        "id": invoice.id,
        "number": invoice.number,
        "status": invoice.status,
        "currency": invoice.currency,
        "total": invoice.total,
        "amount_due": invoice.amount_due,
        "amount_paid": invoice.amount_paid,
        "amount_remaining": invoice.amount_remaining,
        "payment_attempts": invoice.payment_attempts,
        "period_start": invoice.period_start.isoformat(),
        "period_end": invoice.period_end.isoformat(),
        "hosted_invoice_url": invoice.hosted_invoice_url,
    }


def _as_notice(invoice: InvoiceFacts) -> dict[str, object]:
    next_attempt = invoice.next_payment_attempt
    return {
        "invoice_id": invoice.id,
        "number": invoice.number,
        "currency": invoice.currency,
        "amount_remaining": invoice.amount_remaining,
        "next_payment_attempt": next_attempt.isoformat() if next_attempt else None,
    }


def announce_test(session: Session, tenant_id: int, endpoint_id: int, now: datetime) -> None:
    """Announce a `webhook.test` to this endpoint alone.

    Raises `NotFound`, and `InvalidInput` while the endpoint is disabled.
    """
    endpoint = find_endpoint(session, tenant_id, endpoint_id)
    if not endpoint.enabled:
        raise InvalidInput("enabled", "must be true: a disabled endpoint is sent nothing")
    data = {"message": "This is a test. Nothing happened.", "webhook_endpoint": endpoint_id}
    announce(session, tenant_id, TEST_EVENT, data, key=f"{TEST_EVENT}:{uuid4()}", now=now, only_to=endpoint_id)
