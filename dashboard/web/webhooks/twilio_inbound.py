"""Twilio's webhooks of a number: a text or call came in. The answer is TwiML."""

from __future__ import annotations

import structlog
from flask import Blueprint, Response
from werkzeug.exceptions import BadRequest

from dashboard.billing.telephony.inbound import Inbound, receive
from dashboard.web.api.webhook_descriptions import twilio_inbound
from dashboard.web.webhooks.twilio_request import ADDRESS, CALL_SID, MESSAGE_SID, STATUS, TwilioRequest, verified
from dashboard.wiring import now, session

log = structlog.get_logger()
blueprint = Blueprint("twilio_inbound", __name__, url_prefix="/api/twilio")

NO_ANSWER = "<Response/>"
HANG_UP = (
    "<Response><Say>Thank you for calling. This number does not take calls. Please send a text. Goodbye.</Say>"
    "<Hangup/></Response>"
)


@blueprint.post("/sms")
@twilio_inbound
def sms() -> Response:
    """A text came in: count it."""
    post = verified()
    if post.take("SmsStatus", STATUS) not in {None, "received", "receiving"}:
        raise BadRequest("SmsStatus: must be received; this address is for texts that come in.")
    told = Inbound(
        kind="text",
        sid=post.need("MessageSid", MESSAGE_SID),
        status="received",
        to=post.need("To", ADDRESS),
        from_=post.need("From", ADDRESS),
        quantity=max(post.whole("NumSegments") or 1, 1),
        happened_at=now(),
    )
    _take_in(told)
    return _twiml(NO_ANSWER)


@blueprint.post("/voice")
@twilio_inbound
def voice() -> Response:
    """A call comes in: note it, and say goodbye."""
    _receive_call(verified())
    return _twiml(HANG_UP)


@blueprint.post("/voice/status")
@twilio_inbound
def voice_status() -> Response:
    """A call that came in has ended: count it and its seconds."""
    _receive_call(verified())
    return _twiml(NO_ANSWER)


def _receive_call(post: TwilioRequest) -> None:
    # A tenant's own TwiML can have Twilio post any call of its own here, signed. Only a call to us comes in.
    if post.need("Direction", STATUS) != "inbound":
        raise BadRequest("Direction: must be inbound; this address is for calls that come in.")
    told = Inbound(
        kind="call",
        sid=post.need("CallSid", CALL_SID),
        status=post.need("CallStatus", STATUS),
        to=post.need("To", ADDRESS),
        from_=post.need("From", ADDRESS),
        quantity=post.whole("CallDuration"),
        happened_at=post.moment(),
    )
    _take_in(told)


def _take_in(told: Inbound) -> None:
    tenant_id = receive(session(), told, now())
    session().commit()
    if tenant_id is None:
        log.warning("kept for a number nobody has: flask accounts assign-number", number=told.to, sid=told.sid)


def _twiml(document: str) -> Response:
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>{document}', content_type="text/xml; charset=utf-8")
