"""The outbox of webhooks: announced in the transaction of the change, claimed by one worker, settled once.

A worker claims in one transaction, asks the endpoint with none open, and settles in another.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.errors import IdempotencyConflict
from dashboard.billing.ledger.usage import record_usage
from dashboard.billing.ledger.usage_input import parse_usage
from dashboard.billing.outgoing_webhooks import webhook_signature
from dashboard.billing.outgoing_webhooks.outbox import Announcement, announce_all
from dashboard.models import DeliveryState, WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookMessage

# Seconds before the second attempt, the third, … about three days in all; then a delivery waits for replay.
PAUSES = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
# Longer than a request can take, name resolution included. Real time: the sandbox's clock may jump meanwhile.
LEASE = timedelta(minutes=2)
GONE = 410

_DUE = """
    SELECT DISTINCT ON (d.tenant_id, d.endpoint_id) d.tenant_id, d.id
      FROM webhook_deliveries d
      JOIN webhook_endpoints e ON e.tenant_id = d.tenant_id AND e.id = d.endpoint_id AND e.enabled
     WHERE d.state = 'pending' AND d.next_attempt_at <= :now AND (d.lease_until IS NULL OR d.lease_until <= :wall)
     ORDER BY d.tenant_id, d.endpoint_id, d.next_attempt_at, d.id
"""
_IS_DUE = text(f"SELECT EXISTS ({_DUE})")
# The conditions stand outside again: a second worker waits for the first one's row, then finds it taken.
_CLAIM = text(
    f"""
    UPDATE webhook_deliveries SET lease_until = :lease_until
      FROM (SELECT * FROM ({_DUE}) AS each_endpoint ORDER BY random() LIMIT :limit) AS due
     WHERE webhook_deliveries.tenant_id = due.tenant_id AND webhook_deliveries.id = due.id
       AND webhook_deliveries.state = 'pending'
       AND (webhook_deliveries.lease_until IS NULL OR webhook_deliveries.lease_until <= :wall)
    RETURNING webhook_deliveries.tenant_id, webhook_deliveries.id
    """
)


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """One delivery a worker has to send. `secret` is None when the installation's signing key is another one now."""

    tenant_id: int
    id: int
    lease_until: datetime
    url: str
    message_id: str
    body: str
    secret: bytes | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint said: its status and the beginning of its body, or why there was no answer."""

    status: int | None
    text: str
    error: str | None
    duration_ms: int

    @property
    def is_success(self) -> bool:
        """Whether the endpoint took it: any 2xx."""
        return self.status is not None and 200 <= self.status < 300


def announce(
    session: Session,
    tenant_id: int,
    event_type: str,
    data: Mapping[str, object],
    *,
    key: str,
    now: datetime,
    only_to: int | None = None,
) -> bool:
    """Write a message and a delivery for each endpoint that wants it. False when `key` was announced before.

    `only_to` names the one endpoint that gets it, whatever it asked for. `data` is JSON. The caller commits, then
    enqueues.
    """
    announcement = Announcement(tenant_id, event_type, data, key)
    return announce_all(session, [announcement], now, only_to=only_to) > 0


def has_due_deliveries(session: Session, *, now: datetime, wall: datetime) -> bool:
    """Whether a delivery's time has come. `wall` is real time."""
    return bool(session.scalar(_IS_DUE, {"now": now, "wall": wall}))


def claim_deliveries(
    session: Session, signing_key: bytes, *, now: datetime, wall: datetime, limit: int
) -> list[ClaimedDelivery]:
    """Take up to `limit` due deliveries, one an endpoint, so that a slow endpoint holds back only itself.

    Nobody else gets them until the lease ends (`wall`, real time, plus two minutes) or they are settled.
    """
    lease_until = wall + LEASE
    scope = {"now": now, "wall": wall, "lease_until": lease_until, "limit": limit}
    answer = []
    for tenant_id, delivery_id in session.execute(_CLAIM, scope).all():
        delivery = session.get_one(WebhookDelivery, (tenant_id, delivery_id))
        endpoint = session.get_one(WebhookEndpoint, (tenant_id, delivery.endpoint_id))
        message = session.get_one(WebhookMessage, (tenant_id, delivery.message_id))
        secret = webhook_signature.derive_secret(signing_key, endpoint.salt)
        answer.append(
            ClaimedDelivery(
                tenant_id,
                delivery_id,
                lease_until,
                endpoint.url,
                f"msg_{message.id}",
                message.body,
                secret if webhook_signature.check_of(secret) == endpoint.secret_check else None,
            )
        )
    return answer


def settle_delivery(session: Session, claimed: ClaimedDelivery, answer: Answer, now: datetime) -> None:
    """Log an attempt and what follows from it: delivered and counted, to be tried again, or waiting for replay."""
    delivery = session.get(
        WebhookDelivery, (claimed.tenant_id, claimed.id), with_for_update=True, populate_existing=True
    )
    if delivery is None:  # its endpoint was deleted meanwhile
        return
    delivery.attempts += 1
    session.add(
        WebhookAttempt(
            tenant_id=delivery.tenant_id,
            delivery_id=delivery.id,
            number=delivery.attempts,
            attempted_at=now,
            duration_ms=answer.duration_ms,
            status=answer.status,
            answer=answer.text,
            error=answer.error,
        )
    )
    if answer.is_success:
        _note_success(session, delivery, now)
    elif delivery.lease_until == claimed.lease_until:  # else another worker has it since
        _note_failure(session, delivery, answer, now)
    session.flush()


def _note_success(session: Session, delivery: WebhookDelivery, now: datetime) -> None:
    delivery.state, delivery.lease_until = DeliveryState.DELIVERED, None
    if delivery.delivered_at is not None:
        return  # a replay: it was counted the first time
    delivery.delivered_at = now
    endpoint = session.get_one(WebhookEndpoint, (delivery.tenant_id, delivery.endpoint_id))
    message = session.get_one(WebhookMessage, (delivery.tenant_id, delivery.message_id))
    usage = parse_usage(
        {
            "usage_type": "WEBHOOK_TRIGGERED",
            "quantity": 1,
            "idempotency_key": f"webhook:{delivery.id}",
            "occurred_at": now,
            "user_id": endpoint.created_by,
            "resource_type": "webhook_endpoint",
            "resource_id": str(endpoint.id),
            "metadata": {"event_type": message.event_type, "message_id": f"msg_{message.id}", "url": endpoint.url},
        },
        now,
    )
    # Should the tenant have used our key for an event of its own, only the count is off: it must not be sent for ever.
    with suppress(IdempotencyConflict), session.begin_nested():
        record_usage(session, delivery.tenant_id, usage, source="webhooks", now=now)


def _note_failure(session: Session, delivery: WebhookDelivery, answer: Answer, now: datetime) -> None:
    delivery.lease_until = None
    delivery.failures += 1
    if answer.status == GONE:
        endpoint = session.get_one(WebhookEndpoint, (delivery.tenant_id, delivery.endpoint_id))
        endpoint.enabled = False
        endpoint.disabled_reason = "It answered 410 Gone."
    if answer.status == GONE or delivery.failures > len(PAUSES):
        delivery.state = DeliveryState.FAILED
        return
    delivery.next_attempt_at = now + timedelta(seconds=PAUSES[delivery.failures - 1])
