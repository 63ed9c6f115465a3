"""An endpoint at the receiver, something to tell it, and what was sent."""

from __future__ import annotations

from sqlalchemy import select

from dashboard.billing.outgoing_webhooks.outgoing_webhooks import announce
from dashboard.billing.outgoing_webhooks.webhook_endpoints import create_endpoint
from dashboard.database import db
from dashboard.models import UsageEvent, WebhookDelivery
from dashboard.wiring import now, unit_of_work, wiring
from tests.receiver import Receiver


def add_endpoint(tenant_id: int, receiver: Receiver, **more: object) -> tuple[int, str]:
    with unit_of_work() as session:
        endpoint, secret = create_endpoint(
            session,
            tenant_id,
            {"url": receiver.url, **more},
            signing_key=wiring().settings.signing_key,
            allow_private=True,
            created_by="ada@tenant.example",
            now=now(),
        )
        return endpoint.id, secret


def tell(tenant_id: int, key: str = "k", event_type: str = "invoice.paid") -> bool:
    with unit_of_work() as session:
        return announce(session, tenant_id, event_type, {"id": "in_1"}, key=key, now=now())


def only_delivery() -> WebhookDelivery:
    db.session.rollback()
    return db.session.scalars(select(WebhookDelivery).execution_options(populate_existing=True)).one()


def counted() -> list[UsageEvent]:
    db.session.rollback()
    return list(db.session.scalars(select(UsageEvent).where(UsageEvent.usage_type == "WEBHOOK_TRIGGERED")))
