"""Sending a text through the API: stored, sent, counted."""

from __future__ import annotations

from flask import Blueprint, g, jsonify, url_for
from flask.typing import ResponseReturnValue

from dashboard.billing.errors import NotFound
from dashboard.billing.ports.providers import ProviderRefused, ProviderUnavailable
from dashboard.billing.telephony.text_requests import TextRequest, parse_text_request
from dashboard.billing.telephony.texts import accept_text, refuse_text, store_text
from dashboard.models import OutgoingState, Tenant, TextMessage
from dashboard.web.api import descriptions
from dashboard.web.api.bodies import json_body
from dashboard.web.api.keys import idempotency_key, require_key
from dashboard.web.errors import answer
from dashboard.wiring import now, session, wiring

blueprint = Blueprint("texts_api", __name__, url_prefix="/api/messages/sms")
blueprint.before_request(require_key)


@blueprint.post("")
@descriptions.send_text
def create() -> ResponseReturnValue:
    """Send one text. `Idempotency-Key` makes a repeat safe: the same key never sends twice."""
    tenant = session().get_one(Tenant, g.tenant_id)
    text = parse_text_request(session(), json_body(), tenant, now())
    message, is_to_be_sent = store_text(session(), tenant.id, text, idempotency_key(), now())
    # Plain numbers from here on: no transaction stays open while Twilio is asked.
    tenant_id, message_id = tenant.id, message.id
    session().commit()
    if is_to_be_sent:
        return _send(tenant_id, message_id, text)
    if message.state == OutgoingState.SENDING:
        return answer(
            409, "A request with this key is under way, or its outcome is not known yet.", message_id=message_id
        )
    return jsonify(_view(message)), 200


def _send(tenant_id: int, message_id: int, text: TextRequest) -> ResponseReturnValue:
    callback = url_for("twilio_webhooks.status", tenant_id=tenant_id, message_id=message_id)
    try:
        facts = wiring().telephony.send_text(
            to=text.to,
            from_=text.from_,
            body=text.body,
            status_callback=f"{wiring().settings.public_url}{callback}",
        )
    except ProviderRefused as refusal:
        refuse_text(session(), tenant_id, message_id, str(refusal))
        session().commit()
        raise
    except ProviderUnavailable:
        return answer(
            502,
            "Twilio did not answer, so it is not known whether the text was sent. Do not send it again: "
            "its status callback settles it.",
            message_id=message_id,
        )
    message = accept_text(session(), tenant_id, message_id, facts, now())
    session().commit()
    return jsonify(_view(message)), 201


@blueprint.get("/<int:message_id>")
@descriptions.show_text
def show(message_id: int) -> ResponseReturnValue:
    """One text of the key's tenant, with its delivery status so far."""
    message = session().get(TextMessage, (g.tenant_id, message_id))
    if message is None:
        raise NotFound(f"no message {message_id}")
    return jsonify(_view(message))


def _view(message: TextMessage) -> dict[str, object]:
    return {
        "id": message.id,
        "sid": message.sid,
        "state": message.state,
        "to": message.to_number,
        "from": message.from_number,
        "segments": message.segments,
        "user_id": message.user_id,
        "metadata": message.details,
        "delivery_status": message.delivery_status,
        "is_billed": message.state == OutgoingState.ACCEPTED and message.reversed_at is None,
        "error": message.error,
        "requested_at": message.requested_at,
    }
