"""Twilio's status callbacks: how a text or call fares, and the safety net of one whose answer we never saw."""

from __future__ import annotations

from flask import Blueprint
from flask.typing import ResponseReturnValue

from dashboard.billing.telephony.calls import CallTold, note_call
from dashboard.billing.telephony.texts import TextTold, accept_text, note_delivery
from dashboard.web.api.webhook_descriptions import twilio_status
from dashboard.web.webhooks.twilio_request import ADDRESS, CALL_SID, MESSAGE_SID, NUMBER, STATUS, verified
from dashboard.wiring import now, session, wiring

blueprint = Blueprint("twilio_webhooks", __name__)


@blueprint.post("/api/twilio/status/<int:tenant_id>/<int:message_id>")
@twilio_status
def status(tenant_id: int, message_id: int) -> ResponseReturnValue:
    """Note a text's delivery status; record its usage if a crash kept us from it."""
    post = verified()
    told = TextTold(
        sid=post.need("MessageSid", MESSAGE_SID),
        status=post.need("MessageStatus", STATUS),
        to=post.need("To", ADDRESS),
        from_=post.need("From", ADDRESS),
        error_code=post.take("ErrorCode", NUMBER),
    )
    is_recorded = note_delivery(session(), tenant_id, message_id, told, now())
    # No transaction stays open while Twilio is asked.
    session().commit()
    if not is_recorded:
        # The API request may still hold the answer; whoever records first, the key counts it once.
        accept_text(session(), tenant_id, message_id, wiring().telephony.fetch_text(told.sid), now())
        session().commit()
    return "", 204


@blueprint.post("/api/twilio/call-status/<int:tenant_id>/<int:call_id>")
@twilio_status
def call_status(tenant_id: int, call_id: int) -> ResponseReturnValue:
    """Note how a call that we made fares; record it when it has ended."""
    post = verified()
    told = CallTold(
        sid=post.need("CallSid", CALL_SID),
        status=post.need("CallStatus", STATUS),
        to=post.need("To", ADDRESS),
        from_=post.need("From", ADDRESS),
        duration=post.whole("CallDuration"),
        happened_at=post.moment(),
    )
    note_call(session(), tenant_id, call_id, told, now())
    session().commit()
    return "", 204
