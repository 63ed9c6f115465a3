"""Webhooks: the tenant's endpoints, one with its delivery log, one delivery with its attempts."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from flask import flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.wrappers import Response

from dashboard.billing.errors import InvalidInput
from dashboard.billing.fields import MAX_ID
from dashboard.billing.notices.announcements import announce_test
from dashboard.billing.outgoing_webhooks import webhook_endpoints, webhook_log
from dashboard.billing.outgoing_webhooks.webhook_endpoints import EVENT_TYPES
from dashboard.jobs.outgoing import send_due_webhooks
from dashboard.jobs.queues import OUTGOING, enqueue
from dashboard.web.audit import audit
from dashboard.web.tenant import BUYERS, blueprint, require_buyer
from dashboard.wiring import now, session, wiring

EVER = datetime(2000, 1, 1, tzinfo=UTC)


@blueprint.get("/webhooks")
def webhooks() -> str:
    """All endpoints, and the form for another."""
    return _index({"url": "", "event_types": list(EVENT_TYPES)})


@blueprint.post("/webhooks")
def create_webhook() -> ResponseReturnValue:
    """Add an endpoint and show its secret: it cannot be shown again, so no redirect follows."""
    require_buyer()
    settings = wiring().settings
    given = _form()
    try:
        endpoint, secret = webhook_endpoints.create_endpoint(
            session(),
            g.tenant.id,
            given,
            signing_key=settings.signing_key,
            allow_private=settings.webhook_allow_private,
            created_by=current_user.email[:200],
            now=now(),
        )
    except InvalidInput as error:
        return _index(given, error), 422
    audit("webhook.created", endpoint.url, {"event_types": ", ".join(endpoint.event_types)})
    session().commit()
    return render_template("tenant/webhooks/created.html", endpoint=endpoint, secret=secret), 201


@blueprint.get("/webhooks/<int:endpoint_id>")
def webhook(endpoint_id: int) -> str:
    """One endpoint with its deliveries; `?before=` is the id the next page begins below."""
    return _show(endpoint_id)


@blueprint.post("/webhooks/<int:endpoint_id>")
def update_webhook(endpoint_id: int) -> ResponseReturnValue:
    """Change address and event types."""
    return _change(endpoint_id, _form())


@blueprint.post("/webhooks/<int:endpoint_id>/enabled")
def enable_webhook(endpoint_id: int) -> ResponseReturnValue:
    """Enable or disable."""
    return _change(endpoint_id, {"enabled": request.form.get("enabled") == "yes"})


@blueprint.post("/webhooks/<int:endpoint_id>/delete")
def delete_webhook(endpoint_id: int) -> Response:
    """Remove an endpoint and its log; the page asked before."""
    require_buyer()
    gone = webhook_endpoints.delete_endpoint(session(), g.tenant.id, endpoint_id)
    audit("webhook.deleted", gone.url)
    session().commit()
    flash("The endpoint is deleted.", "info")
    return redirect(url_for("tenant.webhooks", tenant_id=g.tenant.id), 303)


@blueprint.post("/webhooks/<int:endpoint_id>/test")
def test_webhook(endpoint_id: int) -> ResponseReturnValue:
    """Send a test."""
    require_buyer()
    try:
        announce_test(session(), g.tenant.id, endpoint_id, now())
    except InvalidInput:
        return _back(endpoint_id, "A disabled endpoint is sent nothing. Enable it first.", "error")
    return _queued(endpoint_id, "A test is on its way.")


@blueprint.post("/webhooks/<int:endpoint_id>/replay")
def replay_webhooks(endpoint_id: int) -> Response:
    """Send every failed delivery again."""
    require_buyer()
    webhook_endpoints.find_endpoint(session(), g.tenant.id, endpoint_id)
    count = webhook_log.replay_failed(session(), g.tenant.id, endpoint_id, EVER, now())
    return _queued(endpoint_id, f"Failed deliveries on their way again: {count}.")


@blueprint.get("/webhook-deliveries/<int:delivery_id>")
def webhook_delivery(delivery_id: int) -> str:
    """One delivery: what it carries, and every attempt."""
    detail = webhook_log.find_delivery(session(), g.tenant.id, delivery_id)
    endpoint = webhook_endpoints.find_endpoint(session(), g.tenant.id, detail.delivery.endpoint_id)
    body = json.dumps(json.loads(detail.body), indent=2, ensure_ascii=False)
    return render_template("tenant/webhooks/delivery.html", detail=detail, endpoint=endpoint, body=body)


@blueprint.post("/webhook-deliveries/<int:delivery_id>/replay")
def replay_webhook(delivery_id: int) -> Response:
    """Send one delivery again."""
    require_buyer()
    webhook_log.replay_delivery(session(), g.tenant.id, delivery_id, now())
    session().commit()
    enqueue(OUTGOING, send_due_webhooks)
    flash("The delivery is on its way again.", "info")
    return redirect(url_for("tenant.webhook_delivery", tenant_id=g.tenant.id, delivery_id=delivery_id), 303)


def _form() -> dict[str, object]:
    return {"url": request.form.get("url", "").strip(), "event_types": request.form.getlist("event_types")}


def _index(form: dict[str, object], error: InvalidInput | None = None) -> str:
    return render_template(
        "tenant/webhooks/index.html",
        endpoints=webhook_endpoints.list_endpoints(session(), g.tenant.id),
        event_types=EVENT_TYPES,
        form=form,
        error=error,
        may_change=g.role in BUYERS,
    )


def _show(endpoint_id: int, form: dict[str, object] | None = None, error: InvalidInput | None = None) -> str:
    endpoint = webhook_endpoints.find_endpoint(session(), g.tenant.id, endpoint_id)
    before = request.args.get("before", type=int)
    return render_template(
        "tenant/webhooks/show.html",
        endpoint=endpoint,
        event_types=EVENT_TYPES,
        form=form or {"url": endpoint.url, "event_types": endpoint.event_types},
        error=error,
        page=webhook_log.list_deliveries(
            session(), g.tenant.id, endpoint_id, before=before if before and before <= MAX_ID else None
        ),
        may_change=g.role in BUYERS,
    )


def _change(endpoint_id: int, given: dict[str, object]) -> ResponseReturnValue:
    require_buyer()
    try:
        endpoint = webhook_endpoints.change_endpoint(
            session(),
            g.tenant.id,
            endpoint_id,
            given,
            allow_private=wiring().settings.webhook_allow_private,
        )
    except InvalidInput as error:
        session().rollback()
        return _show(endpoint_id, given, error), 422
    audit(
        "webhook.changed", endpoint.url, {"event_types": ", ".join(endpoint.event_types), "enabled": endpoint.enabled}
    )
    return _queued(endpoint_id, "Saved.")


def _queued(endpoint_id: int, message: str) -> Response:
    session().commit()
    enqueue(OUTGOING, send_due_webhooks)
    return _back(endpoint_id, message, "info")


def _back(endpoint_id: int, message: str, kind: str) -> Response:
    flash(message, kind)
    return redirect(url_for("tenant.webhook", tenant_id=g.tenant.id, endpoint_id=endpoint_id), 303)
