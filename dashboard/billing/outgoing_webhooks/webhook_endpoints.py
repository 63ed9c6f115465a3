"""A tenant's webhook endpoints: added, changed, taken away. Their secret is shown when they are added, once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput, NotFound
from dashboard.billing.fields import need_object
from dashboard.billing.outgoing_webhooks import webhook_signature
from dashboard.billing.outgoing_webhooks.webhook_address import check_url
from dashboard.database import lock_object
from dashboard.models import WebhookEndpoint

# What a tenant can hear of, and what each event tells.
EVENT_TYPES: dict[str, str] = {
    "usage.threshold_reached": "80% or 100%, or the percents you set, of what the plan includes is used",
    "subscription.changed": "A subscription began, changed its plan or status, or will end",
    "billing_state.changed": "Plan, status, entitlements or access changed: sending stopped, say, or all is paid",
    "invoice.created": "An invoice was drawn up",
    "invoice.finalized": "An invoice is final and due",
    "invoice.paid": "An invoice was paid",
    "invoice.payment_failed": "An attempt to collect an invoice failed",
}
# Sent to one endpoint by its test button, whatever it asked for.
TEST_EVENT = "webhook.test"
MAX_ENDPOINTS = 20
FIELDS = frozenset({"url", "event_types", "enabled"})


def create_endpoint(
    session: Session,
    tenant_id: int,
    raw: object,
    *,
    signing_key: bytes,
    allow_private: bool,
    created_by: str | None,
    now: datetime,
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint from `{"url", "event_types", "enabled"}` (the last two may be absent: all events, enabled).

    Answers it and its secret, which cannot be read again. Raises `InvalidInput`.
    """
    given = need_object(raw, FIELDS)
    lock_object(session, "webhook-endpoints-of", tenant_id)
    if len(list_endpoints(session, tenant_id)) >= MAX_ENDPOINTS:
        raise InvalidInput("url", f"a tenant may have {MAX_ENDPOINTS} endpoints at most")
    salt = webhook_signature.new_salt()
    secret = webhook_signature.derive_secret(signing_key, salt)
    endpoint = WebhookEndpoint(
        tenant_id=tenant_id,
        url=check_url(given.get("url"), allow_private=allow_private),
        event_types=_event_types(given.get("event_types", list(EVENT_TYPES))),
        enabled=_enabled(given.get("enabled", True)),
        salt=salt,
        secret_check=webhook_signature.check_of(secret),
        created_by=created_by,
        created_at=now,
    )
    session.add(endpoint)
    session.flush()
    return endpoint, webhook_signature.show_secret(secret)


def change_endpoint(
    session: Session, tenant_id: int, endpoint_id: int, raw: object, *, allow_private: bool
) -> WebhookEndpoint:
    """Change what is given of `{"url", "event_types", "enabled"}`; the secret stays.

    While an endpoint is disabled nothing new is announced to it; what waited is sent once it is enabled again.
    Raises `InvalidInput`, `NotFound`.
    """
    given = need_object(raw, FIELDS)
    endpoint = find_endpoint(session, tenant_id, endpoint_id, for_change=True)
    if "url" in given:
        endpoint.url = check_url(given["url"], allow_private=allow_private)
    if "event_types" in given:
        endpoint.event_types = _event_types(given["event_types"])
    if "enabled" in given:
        endpoint.enabled = _enabled(given["enabled"])
        endpoint.disabled_reason = None
    session.flush()
    return endpoint


def delete_endpoint(session: Session, tenant_id: int, endpoint_id: int) -> WebhookEndpoint:
    """Remove an endpoint with its deliveries and their log; answers it. What it was sent stays counted in the ledger.

    Raises `NotFound`.
    """
    endpoint = find_endpoint(session, tenant_id, endpoint_id, for_change=True)
    session.delete(endpoint)
    session.flush()
    return endpoint


def find_endpoint(session: Session, tenant_id: int, endpoint_id: int, *, for_change: bool = False) -> WebhookEndpoint:
    """One endpoint of the tenant.

    Raises `NotFound`.
    """
    key = (tenant_id, endpoint_id)
    found = session.get(WebhookEndpoint, key, with_for_update=for_change)
    if found is None:
        raise NotFound(f"no webhook endpoint {endpoint_id}")
    return found


def list_endpoints(session: Session, tenant_id: int) -> list[WebhookEndpoint]:
    """All endpoints of the tenant, the oldest first."""
    return list(
        session.scalars(
            select(WebhookEndpoint).where(WebhookEndpoint.tenant_id == tenant_id).order_by(WebhookEndpoint.id)
        )
    )


def _event_types(value: object) -> list[str]:
    known = isinstance(value, list) and all(isinstance(each, str) and each in EVENT_TYPES for each in value)
    if not isinstance(value, list) or not value or not known:
        raise InvalidInput("event_types", f"must be a list of one or more of {', '.join(EVENT_TYPES)}")
    return [name for name in EVENT_TYPES if name in value]


def _enabled(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput("enabled", "must be true or false")
    return value
