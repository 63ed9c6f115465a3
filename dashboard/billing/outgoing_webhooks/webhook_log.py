"""How a tenant's webhooks fared: the deliveries of an endpoint, the attempts of a delivery, and doing it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.orm import Session

from dashboard.billing.errors import NotFound
from dashboard.models import DeliveryState, WebhookAttempt, WebhookDelivery, WebhookMessage


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One delivery with its latest attempt's outcome."""

    id: int
    endpoint_id: int
    message_id: str
    event_type: str
    state: str
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    last_status: int | None
    last_error: str | None

    @property
    def state_label(self) -> str:
        """The state in a word."""
        return "Waiting" if self.state == DeliveryState.PENDING else self.state.capitalize()

    @property
    def outcome(self) -> str:
        """What the latest attempt came to."""
        return str(self.last_status) if self.last_status is not None else self.last_error or "–"


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Deliveries, the newest first, and where the next page begins (None: there is none)."""

    deliveries: list[DeliveryView]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class DeliveryDetail:
    """One delivery, what it carries and every attempt, the newest first."""

    delivery: DeliveryView
    body: str
    attempts: list[WebhookAttempt]


def list_deliveries(
    session: Session, tenant_id: int, endpoint_id: int, *, before: int | None = None, limit: int = 50
) -> DeliveryPage:
    """The deliveries of one endpoint with an id below `before`."""
    bounds = [WebhookDelivery.endpoint_id == endpoint_id]
    if before is not None:
        bounds.append(WebhookDelivery.id < before)
    rows = _views(session, tenant_id, *bounds, limit=limit + 1)
    page = rows[:limit]
    return DeliveryPage(page, page[-1].id if len(rows) > limit else None)


def find_delivery(session: Session, tenant_id: int, delivery_id: int) -> DeliveryDetail:
    """One delivery with its attempts.

    Raises `NotFound`.
    """
    found = _views(session, tenant_id, WebhookDelivery.id == delivery_id, limit=1)
    if not found:
        raise NotFound(f"no webhook delivery {delivery_id}")
    message_id = int(found[0].message_id.removeprefix("msg_"))
    attempts = session.scalars(
        select(WebhookAttempt)
        .where(WebhookAttempt.tenant_id == tenant_id, WebhookAttempt.delivery_id == delivery_id)
        .order_by(WebhookAttempt.number.desc())
    )
    return DeliveryDetail(found[0], session.get_one(WebhookMessage, (tenant_id, message_id)).body, list(attempts))


def replay_delivery(session: Session, tenant_id: int, delivery_id: int, now: datetime) -> None:
    """Send one delivery again, whatever its state; one that waits for its next attempt is sent now.

    Raises `NotFound`.
    """
    key = (tenant_id, delivery_id)
    delivery = session.get(WebhookDelivery, key, with_for_update=True)
    if delivery is None:
        raise NotFound(f"no webhook delivery {delivery_id}")
    if delivery.state != DeliveryState.PENDING:
        delivery.state, delivery.failures = DeliveryState.PENDING, 0
    delivery.next_attempt_at = now
    session.flush()


def replay_failed(session: Session, tenant_id: int, endpoint_id: int, since: datetime, now: datetime) -> int:
    """Send again every failed delivery of the endpoint that was announced at or after `since`; answers how many."""
    again = session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.tenant_id == tenant_id,
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.state == DeliveryState.FAILED,
            WebhookDelivery.created_at >= since,
        )
        .values(state=DeliveryState.PENDING, failures=0, next_attempt_at=now)
        .returning(WebhookDelivery.id)
    )
    return len(again.all())


def _views(session: Session, tenant_id: int, *bounds: ColumnElement[bool], limit: int) -> list[DeliveryView]:
    latest = and_(
        WebhookAttempt.tenant_id == WebhookDelivery.tenant_id,
        WebhookAttempt.delivery_id == WebhookDelivery.id,
        WebhookAttempt.number == WebhookDelivery.attempts,
    )
    rows = session.execute(
        select(WebhookDelivery, WebhookMessage.event_type, WebhookAttempt.status, WebhookAttempt.error)
        .join(
            WebhookMessage,
            and_(
                WebhookMessage.tenant_id == WebhookDelivery.tenant_id, WebhookMessage.id == WebhookDelivery.message_id
            ),
        )
        .outerjoin(WebhookAttempt, latest)
        .where(WebhookDelivery.tenant_id == tenant_id, *bounds)
        .order_by(WebhookDelivery.id.desc())
        .limit(limit)
    )
    return [_view(delivery, event_type, status, error) for delivery, event_type, status, error in rows]


def _view(delivery: WebhookDelivery, event_type: str, status: int | None, error: str | None) -> DeliveryView:
    return DeliveryView(
        id=delivery.id,
        endpoint_id=delivery.endpoint_id,
        message_id=f"msg_{delivery.message_id}",
        event_type=event_type,
        state=delivery.state,
        attempts=delivery.attempts,
        created_at=delivery.created_at,
        next_attempt_at=delivery.next_attempt_at if delivery.state == DeliveryState.PENDING else None,
        delivered_at=delivery.delivered_at,
        last_status=status,
        last_error=error,
    )
