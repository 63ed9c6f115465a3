"""A tenant's webhook endpoints over HTTP: added, changed, tested, their deliveries read and replayed."""

from __future__ import annotations

from flask import Blueprint, g, jsonify
from flask.typing import ResponseReturnValue

from dashboard.billing.fields import need_moment, need_object
from dashboard.billing.notices.announcements import announce_test
from dashboard.billing.outgoing_webhooks import webhook_endpoints, webhook_log
from dashboard.jobs.outgoing import send_due_webhooks
from dashboard.jobs.queues import OUTGOING, enqueue
from dashboard.models import WebhookEndpoint
from dashboard.web.api import webhook_descriptions
from dashboard.web.api.bodies import json_body
from dashboard.web.api.keys import require_key
from dashboard.web.api.queries import read_query
from dashboard.web.api.webhook_shapes import DeliveriesQuery
from dashboard.web.audit import audit
from dashboard.wiring import now, session, wiring

blueprint = Blueprint("webhook_endpoints_api", __name__, url_prefix="/api")
blueprint.before_request(require_key)


@blueprint.get("/webhook-endpoints")
@webhook_descriptions.list_endpoints
def index() -> ResponseReturnValue:
    """Every endpoint of the tenant."""
    found = webhook_endpoints.list_endpoints(session(), g.tenant_id)
    return jsonify({"webhook_endpoints": [_view(each) for each in found]})


@blueprint.post("/webhook-endpoints")
@webhook_descriptions.create_endpoint
def create() -> ResponseReturnValue:
    """Add an endpoint; the answer alone carries its secret."""
    settings = wiring().settings
    endpoint, secret = webhook_endpoints.create_endpoint(
        session(),
        g.tenant_id,
        json_body(),
        signing_key=settings.signing_key,
        allow_private=settings.webhook_allow_private,
        created_by=f"API key {g.api_key_name}"[:200],
        now=now(),
    )
    answer = {**_view(endpoint), "secret": secret}
    audit("webhook.created", endpoint.url, {"event_types": ", ".join(endpoint.event_types)})
    session().commit()
    return jsonify(answer), 201


@blueprint.get("/webhook-endpoints/<int:endpoint_id>")
@webhook_descriptions.show_endpoint
def show(endpoint_id: int) -> ResponseReturnValue:
    """One endpoint."""
    return jsonify(_view(webhook_endpoints.find_endpoint(session(), g.tenant_id, endpoint_id)))


@blueprint.patch("/webhook-endpoints/<int:endpoint_id>")
@webhook_descriptions.update_endpoint
def update(endpoint_id: int) -> ResponseReturnValue:
    """Change address, event types or whether it is enabled; the secret stays."""
    endpoint = webhook_endpoints.change_endpoint(
        session(),
        g.tenant_id,
        endpoint_id,
        json_body(),
        allow_private=wiring().settings.webhook_allow_private,
    )
    answer = _view(endpoint)
    audit(
        "webhook.changed", endpoint.url, {"event_types": ", ".join(endpoint.event_types), "enabled": endpoint.enabled}
    )
    session().commit()
    enqueue(OUTGOING, send_due_webhooks)
    return jsonify(answer)


@blueprint.delete("/webhook-endpoints/<int:endpoint_id>")
@webhook_descriptions.delete_endpoint
def destroy(endpoint_id: int) -> ResponseReturnValue:
    """Remove an endpoint and its log."""
    gone = webhook_endpoints.delete_endpoint(session(), g.tenant_id, endpoint_id)
    audit("webhook.deleted", gone.url)
    session().commit()
    return "", 204


@blueprint.post("/webhook-endpoints/<int:endpoint_id>/test")
@webhook_descriptions.test_endpoint
def create_test(endpoint_id: int) -> ResponseReturnValue:
    """Send a `webhook.test` to this endpoint."""
    announce_test(session(), g.tenant_id, endpoint_id, now())
    session().commit()
    enqueue(OUTGOING, send_due_webhooks)
    return jsonify({"queued": True}), 202


@blueprint.get("/webhook-endpoints/<int:endpoint_id>/deliveries")
@webhook_descriptions.list_deliveries
def deliveries(endpoint_id: int) -> ResponseReturnValue:
    """Deliveries, the newest first; `?cursor=` is the `next_cursor` of the page before."""
    query = read_query(DeliveriesQuery)
    webhook_endpoints.find_endpoint(session(), g.tenant_id, endpoint_id)
    page = webhook_log.list_deliveries(
        session(),
        g.tenant_id,
        endpoint_id,
        before=query.cursor,
        limit=query.limit,
    )
    rows = [_delivery(each) for each in page.deliveries]
    return jsonify({"deliveries": rows, "next_cursor": str(page.next_before) if page.next_before else None})


@blueprint.post("/webhook-endpoints/<int:endpoint_id>/replay")
@webhook_descriptions.replay_failed
def create_replays(endpoint_id: int) -> ResponseReturnValue:
    """Send every failed delivery again that was announced since `{"since": "2026-06-01T00:00:00Z"}`."""
    webhook_endpoints.find_endpoint(session(), g.tenant_id, endpoint_id)
    since = need_moment(need_object(json_body(), frozenset({"since"})).get("since"), "since")
    count = webhook_log.replay_failed(session(), g.tenant_id, endpoint_id, since, now())
    session().commit()
    enqueue(OUTGOING, send_due_webhooks)
    return jsonify({"replayed": count}), 202


@blueprint.post("/webhook-deliveries/<int:delivery_id>/replay")
@webhook_descriptions.replay_one
def create_replay(delivery_id: int) -> ResponseReturnValue:
    """Send one delivery again."""
    webhook_log.replay_delivery(session(), g.tenant_id, delivery_id, now())
    session().commit()
    enqueue(OUTGOING, send_due_webhooks)
    return jsonify({"replayed": 1}), 202


def _view(endpoint: WebhookEndpoint) -> dict[str, object]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "event_types": endpoint.event_types,
        "enabled": endpoint.enabled,
        "disabled_reason": endpoint.disabled_reason,
        "created_by": endpoint.created_by,
        "created_at": endpoint.created_at,
    }


def _delivery(delivery: webhook_log.DeliveryView) -> dict[str, object]:
    return {
        "id": delivery.id,
        "message_id": delivery.message_id,
        "event_type": delivery.event_type,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "created_at": delivery.created_at,
        "next_attempt_at": delivery.next_attempt_at,
        "delivered_at": delivery.delivered_at,
    }
