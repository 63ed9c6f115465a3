"""Twilio's status callbacks: how a text fares, and the safety net of one whose answer we never saw."""

from __future__ import annotations

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue

from dashboard.billing.texts import accept_text, note_delivery
from dashboard.integrations.twilio.signature import is_from_twilio
from dashboard.web.api.descriptions import twilio_status
from dashboard.wiring import now, session, wiring

blueprint = Blueprint("twilio_webhooks", __name__)


@blueprint.post("/api/twilio/status/<int:tenant_id>/<int:message_id>")
@twilio_status
def status(tenant_id: int, message_id: int) -> ResponseReturnValue:
    """Note a delivery status; record the usage if a crash kept us from it."""
    settings = wiring().settings
    url = f"{settings.public_url}{request.full_path.rstrip('?')}"
    signature = request.headers.get("X-Twilio-Signature")
    if not is_from_twilio(url, request.form, signature, settings.twilio_auth_token.get_secret_value()):
        abort(400, "X-Twilio-Signature: does not match.")
    sid, told = request.form.get("MessageSid", ""), request.form.get("MessageStatus", "")
    if not note_delivery(session(), tenant_id, message_id, sid, told):
        # The API request may still hold the answer; whoever records first, the key counts it once.
        facts = wiring().texts.fetch_text(sid)
        accept_text(session(), tenant_id, message_id, facts, now())
    session().commit()
    return "", 204
