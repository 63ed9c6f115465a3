"""What failed for good and waits for a person, over all tenants: Stripe's events, deliveries to tenants' endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.billing.inbox.webhook_review import EventFilter, EventView, list_events
from dashboard.billing.outgoing_webhooks.webhook_endpoints import find_endpoint
from dashboard.billing.outgoing_webhooks.webhook_log import replay_failed
from dashboard.billing.tenants.audit import Actor, record_audit
from dashboard.models import DeliveryState, StripeEventState, Tenant, WebhookDelivery, WebhookEndpoint

SHOWN = 20


@dataclass(frozen=True, slots=True)
class FailingEndpoint:
    """A tenant's endpoint with deliveries that were given up, since the first of them and until the last."""

    tenant_id: int
    tenant_name: str
    endpoint_id: int
    url: str
    enabled: bool
    failed: int
    first_at: datetime
    last_at: datetime


def list_failed_events(session: Session) -> list[EventView]:
    """The newest events that Stripe sent and that could not be processed."""
    return list_events(session, EventFilter(state=StripeEventState.FAILED)).events[:SHOWN]


def list_failing_endpoints(session: Session, *, limit: int = SHOWN) -> list[FailingEndpoint]:
    """Endpoints with failed deliveries, the latest failure first."""
    failed = (
        select(
            WebhookDelivery.tenant_id,
            WebhookDelivery.endpoint_id,
            func.count().label("failed"),
            func.min(WebhookDelivery.created_at).label("first_at"),
            func.max(WebhookDelivery.created_at).label("last_at"),
        )
        .where(WebhookDelivery.state == DeliveryState.FAILED)
        .group_by(WebhookDelivery.tenant_id, WebhookDelivery.endpoint_id)
        .subquery()
    )
    rows = session.execute(
        select(
            failed.c.tenant_id,
            Tenant.name,
            failed.c.endpoint_id,
            WebhookEndpoint.url,
            WebhookEndpoint.enabled,
            failed.c.failed,
            failed.c.first_at,
            failed.c.last_at,
        )
        .join(Tenant, Tenant.id == failed.c.tenant_id)
        .join(
            WebhookEndpoint,
            (WebhookEndpoint.tenant_id == failed.c.tenant_id) & (WebhookEndpoint.id == failed.c.endpoint_id),
        )
        .order_by(failed.c.last_at.desc(), failed.c.tenant_id, failed.c.endpoint_id)
        .limit(limit)
    )
    return [FailingEndpoint(*row) for row in rows]


def send_failed_again(session: Session, tenant_id: int, endpoint_id: int, *, actor: Actor, now: datetime) -> int:
    """Send an endpoint's failed deliveries again, on the tenant's behalf; answers how many.

    Raises `NotFound`.
    """
    endpoint = find_endpoint(session, tenant_id, endpoint_id)
    count = replay_failed(session, tenant_id, endpoint_id, endpoint.created_at, now)
    record_audit(
        session,
        actor=actor,
        tenant_id=tenant_id,
        action="webhook.replayed",
        subject=endpoint.url,
        details={"endpoint": endpoint_id, "deliveries": count},
        now=now,
    )
    return count
