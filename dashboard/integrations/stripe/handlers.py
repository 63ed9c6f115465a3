"""Which Stripe event changes what here. A handler fetches the object by id and overwrites our copy.

So order and repeats cannot matter, and one fetch settles every event about that object that waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from dashboard.billing import checkouts, customers, subscription_outlooks, webhook_inbox
from dashboard.billing.plans import PricePins
from dashboard.billing.ports import BillingProvider
from dashboard.database import lock_object
from dashboard.integrations.stripe.invoice_handlers import (
    sync_credited_invoice,
    sync_entitlements,
    sync_invoice,
    sync_paid_invoice,
    sync_refunded_invoice,
)
from dashboard.models import StripeEvent, StripeEventState


@dataclass(frozen=True, slots=True)
class Context:
    """What every handler works with."""

    session: Session
    provider: BillingProvider
    pins: PricePins
    now: datetime


Handler = Callable[[Context, StripeEvent], bool]


def sync_customer(context: Context, event: StripeEvent) -> bool:
    """The tie to the tenant, or its end."""
    facts = context.provider.fetch_customer(event.object_id or "")
    if facts is not None:
        customers.sync_customer(context.session, facts)
    return facts is not None


def sync_subscription(context: Context, event: StripeEvent) -> bool:
    """Status, plan and periods."""
    return _sync_subscription(context, event.object_id or "")


def sync_checkout(context: Context, event: StripeEvent) -> bool:
    """A finished checkout made a subscription, or kept the card for one that we make."""
    found = context.provider.read_checkout(event.object_id or "")
    return found is not None and checkouts.apply_checkout(
        context.session, context.provider, context.pins, found, context.now
    )


def sync_schedule(context: Context, event: StripeEvent) -> bool:
    """What a schedule is to bring belongs to its subscription."""
    subscription_id = context.provider.subscription_of_schedule(event.object_id or "")
    if subscription_id is None:
        return False
    lock_object(context.session, "stripe", subscription_id)
    return _sync_subscription(context, subscription_id)


def _sync_subscription(context: Context, subscription_id: str) -> bool:
    whole = subscription_outlooks.read_whole(context.provider, subscription_id)
    if whole is None:
        return False
    return subscription_outlooks.apply_whole(context.session, context.pins, whole, context.now)


# The first prefix that fits decides; what fits none is kept and marked ignored.
# invoice.upcoming has no id to fetch and changes nothing here.
HANDLERS: tuple[tuple[str, Handler | None], ...] = (
    ("customer.subscription.", sync_subscription),
    ("subscription_schedule.", sync_schedule),
    ("customer.created", sync_customer),
    ("customer.updated", sync_customer),
    ("customer.deleted", sync_customer),
    ("invoice.upcoming", None),
    ("invoice.", sync_invoice),
    ("checkout.session.", sync_checkout),
    ("invoice_payment.", sync_paid_invoice),
    ("credit_note.", sync_credited_invoice),
    ("refund.", sync_refunded_invoice),
    ("charge.refund", sync_refunded_invoice),
    ("charge.dispute.", sync_refunded_invoice),
    ("entitlements.active_entitlement_summary.updated", sync_entitlements),
)


def handler_of(event_type: str) -> Handler | None:
    """The handler of an event type, or None when it changes nothing here."""
    return next((handler for prefix, handler in HANDLERS if event_type.startswith(prefix)), None)


def process_stripe_event(context: Context, event: StripeEvent) -> StripeEventState:
    """Bring our mirror up to date for one stored event and settle all that wait about the same object.

    The object's lock is held from before the fetch to the commit: else an older fetch could overwrite a newer.
    Raises `ProviderUnavailable` and whatever else went wrong; the caller rolls back and notes the attempt.
    """
    session = context.session
    handler = handler_of(event.type)
    if handler is None or event.object_id is None:
        webhook_inbox.mark_settled(session, [event.id], StripeEventState.IGNORED, context.now)
        return StripeEventState.IGNORED
    lock_object(session, "stripe", event.object_id)
    session.refresh(event)
    if event.state in {StripeEventState.PROCESSED, StripeEventState.IGNORED}:
        return StripeEventState(event.state)
    waiting = webhook_inbox.list_waiting_together(session, event)
    state = StripeEventState.PROCESSED if handler(context, event) else StripeEventState.IGNORED
    webhook_inbox.mark_settled(session, waiting, state, context.now)
    return state
