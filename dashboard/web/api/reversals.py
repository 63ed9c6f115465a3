"""Taking a usage event back."""

from __future__ import annotations

from flask import Blueprint, g, jsonify, url_for
from flask.typing import ResponseReturnValue

from dashboard.billing.ledger.reversals import reverse_usage
from dashboard.web.api import examples
from dashboard.web.api.answers import ReversalOut
from dashboard.web.api.keys import require_key
from dashboard.web.api.openapi import Answer, describe
from dashboard.wiring import now, session

blueprint = Blueprint("reversals_api", __name__, url_prefix="/api/billing/usage/events/<int:event_id>/reversal")
blueprint.before_request(require_key)


@blueprint.post("")
@describe(
    tag="Usage events",
    scope="usage:write",
    answers={
        201: Answer(
            "The correction.",
            ReversalOut,
            headers={"Location": "Where the correction can be read."},
            example=examples.REVERSAL,
        )
    },
    errors=(404, 409),
)
def create(event_id: int) -> ResponseReturnValue:
    """Take an event back

    Records a correction of its whole quantity, at its time and for the same user and resource. Both rows stay and name
    each other. An event is corrected once: 409 if it was before. A correction, or the reading of a level, cannot be
    taken back.
    """
    recorded = reverse_usage(session(), g.tenant_id, event_id, source="api", now=now())
    session().commit()
    body = {"id": recorded.id, "corrects_id": event_id, "idempotency_key": recorded.idempotency_key}
    return jsonify(body), 201, {"Location": url_for("usage_api.show", event_id=recorded.id)}
