"""Usage events over HTTP: one, or up to 1,000 in a request."""

from __future__ import annotations

from flask import Blueprint, g, jsonify
from flask.typing import ResponseReturnValue

from dashboard.billing.errors import InvalidInput, NotFound
from dashboard.billing.usage import record_usages
from dashboard.billing.usage_input import parse_usage
from dashboard.models import UsageEvent
from dashboard.web.api.keys import json_body, require_key
from dashboard.wiring import now, session

blueprint = Blueprint("usage_api", __name__, url_prefix="/api/billing/usage/events")
blueprint.before_request(require_key)
MAX_EVENTS = 1_000


@blueprint.post("")
def create() -> ResponseReturnValue:
    """Record one event (a JSON object) or many (`{"events": [...]}`); all of them or none."""
    body, moment = json_body(), now()
    is_batch = isinstance(body, dict) and "events" in body
    if is_batch:
        events = [parse_usage(raw, moment, f"events[{n}]") for n, raw in enumerate(_batch(body))]
    else:
        events = [parse_usage(body, moment)]
    recorded = record_usages(session(), g.tenant_id, events, source="api", now=moment)
    session().commit()
    rows = [{"id": row.id, "idempotency_key": row.idempotency_key, "is_new": row.is_new} for row in recorded]
    if not is_batch:
        return jsonify(rows[0]), 201 if rows[0]["is_new"] else 200
    new = sum(row.is_new for row in recorded)
    return jsonify({"recorded": new, "duplicates": len(rows) - new, "events": rows}), 201 if new else 200


def _batch(body: object) -> list[object]:
    assert isinstance(body, dict)  # noqa: S101 (the caller looked)
    if set(body) != {"events"}:
        raise InvalidInput(next(key for key in body if key != "events"), "is not a field beside events")
    events = body["events"]
    if not isinstance(events, list) or not 1 <= len(events) <= MAX_EVENTS:
        raise InvalidInput("events", f"must be a list of 1 to {MAX_EVENTS} usage events")
    return events


@blueprint.get("/<int:event_id>")
def show(event_id: int) -> ResponseReturnValue:
    """One event of the key's tenant."""
    event = session().get(UsageEvent, (g.tenant_id, event_id)) if event_id < 2**63 else None
    if event is None:
        raise NotFound(f"no usage event {event_id}")
    return jsonify(
        {
            "id": event.id,
            "usage_type": event.usage_type,
            "quantity": event.quantity,
            "user_id": event.user_id,
            "resource_type": event.resource_type,
            "resource_id": event.resource_id,
            "metadata": event.details,
            "source": event.source,
            "idempotency_key": event.idempotency_key,
            "occurred_at": event.occurred_at.isoformat(),
            "recorded_at": event.recorded_at.isoformat(),
            "corrects_id": event.corrects_id,
        }
    )
