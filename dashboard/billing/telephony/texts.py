"""Sending a text: the intent is stored first, then Twilio is asked, then usage is recorded.

Twilio has no idempotency keys. A crash between its answer and our commit is healed by its status callback, whose
address carries our message id: it records the usage under the same key, so it counts once whoever comes first.

What counts is what Twilio bills. A text whose delivery was attempted is billed by segment: `sent`, `delivered` and
`undelivered` alike. One that ends `failed` (or `canceled`) never left Twilio and its segments are not billed
(https://support.twilio.com/hc/en-us/articles/223181728). Most failed messages cost a flat processing fee for each
message, not segment (https://support.twilio.com/hc/en-us/articles/27502337507483): the account's, no tenant's usage.
So a text that fails after it was recorded is taken back by a correction, once.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.billing.errors import AlreadyCorrected, NotFound
from dashboard.billing.ledger.usage import record_usage
from dashboard.billing.ledger.usage_input import UsageInput, parse_usage
from dashboard.billing.limits import quotas
from dashboard.billing.ports.providers import TextFacts
from dashboard.billing.telephony import outgoing
from dashboard.billing.telephony.segments import estimate_segments
from dashboard.billing.telephony.text_requests import TextRequest
from dashboard.models import OutgoingState, TextMessage, UsageEvent
from dashboard.models.text_message import UNSETTLED

NOT_BILLED = frozenset({"canceled", "failed"})
# Callbacks repeat and come out of order: a status never goes back, so any order ends in the same.
_ORDER = ("accepted", "queued", "sending", "sent", "delivered", "read", "undelivered", "canceled", "failed")


@dataclass(frozen=True, slots=True)
class TextTold:
    """What one status callback told of a text."""

    sid: str
    status: str
    to: str
    from_: str
    error_code: str | None = None


def store_text(
    session: Session, tenant_id: int, request: TextRequest, idempotency_key: str, now: datetime
) -> tuple[TextMessage, bool]:
    """Store what is about to be sent and reserve its segments: (the message, whether it is to be sent now).

    Raises `IdempotencyConflict`, `PaymentOverdue`, `CapReached`.
    """
    message, is_to_be_sent = outgoing.store_intent(
        session,
        TextMessage,
        tenant_id=tenant_id,
        idempotency_key=idempotency_key,
        fingerprint=request.fingerprint,
        now=now,
        to_number=request.to,
        from_number=request.from_,
        user_id=request.user_id,
        details=request.metadata,
    )
    if is_to_be_sent:
        segments = estimate_segments(request.body)
        quotas.reserve(session, tenant_id, "SMS_SENT", segments, key=_reservation(message.id), now=now)
    return message, is_to_be_sent


def accept_text(session: Session, tenant_id: int, message_id: int, facts: TextFacts, now: datetime) -> TextMessage:
    """Note that Twilio took the text, and record its segments as `SMS_SENT`, once.

    Usage happens when the text was asked for, whoever tells of it: our own request or a later callback.
    Raises `NotFound` when there is no such message, or it has another SID.
    """
    message = _locked(session, tenant_id, message_id, facts.sid)
    if message.state != OutgoingState.ACCEPTED:
        message.state, message.sid, message.segments = OutgoingState.ACCEPTED, facts.sid, facts.segments
        message.accepted_at = now
        record_usage(session, tenant_id, _usage_of(message, now), source="twilio", now=now)
        quotas.settle(session, tenant_id, _reservation(message_id))
    _note_status(session, message, facts.status, facts.error_code, now)
    session.flush()
    return message


def refuse_text(session: Session, tenant_id: int, message_id: int, error: str) -> None:
    """Note that Twilio refused the text: nothing was sent, nothing is billed, its reservation is given back."""
    message = _locked(session, tenant_id, message_id, None)
    if message.state == OutgoingState.SENDING and message.sid is None:
        message.state, message.error = OutgoingState.REFUSED, error
        quotas.release(session, tenant_id, _reservation(message_id))


def note_delivery(session: Session, tenant_id: int, message_id: int, told: TextTold, now: datetime) -> bool:
    """Note what a callback told. False when the message's usage is not recorded yet: fetch the text and accept it.

    Raises `NotFound` when there is no such message, or it is another one than Twilio speaks of.
    """
    message = _locked(session, tenant_id, message_id, told.sid)
    outgoing.need_match(session, message, sid=told.sid, to=told.to, from_=told.from_)
    if message.state == OutgoingState.REFUSED:
        message.error = None
    if message.state != OutgoingState.ACCEPTED:
        # Twilio has it. If it cannot be asked for the segments now, `list_unsettled_texts` finds the message by this.
        message.state, message.sid = OutgoingState.SENDING, told.sid
    _note_status(session, message, told.status, told.error_code, now)
    return message.state == OutgoingState.ACCEPTED


def list_unsettled_texts(
    session: Session, start: datetime, stop: datetime, *, limit: int = 100
) -> list[tuple[int, int, str]]:
    """(tenant, message, SID) of texts asked for in `[start, stop)` that Twilio is to be asked about.

    They were heard of by callback and could not be recorded, or no callback told whether they ever left Twilio.
    """
    rows = session.execute(
        select(TextMessage.tenant_id, TextMessage.id, TextMessage.sid)
        .where(text(UNSETTLED), TextMessage.requested_at >= start, TextMessage.requested_at < stop)
        .order_by(TextMessage.requested_at)
        .limit(limit)
    )
    return [(tenant_id, message_id, sid or "") for tenant_id, message_id, sid in rows]


def _locked(session: Session, tenant_id: int, message_id: int, sid: str | None) -> TextMessage:
    message = session.get(TextMessage, (tenant_id, message_id), with_for_update=True, populate_existing=True)
    if message is None:
        raise NotFound(f"no message {message_id}")
    if sid is not None and message.sid not in (None, sid):
        raise NotFound(f"message {message_id} has another SID")
    return message


def _note_status(session: Session, message: TextMessage, status: str, error_code: str | None, now: datetime) -> None:
    if status in _ORDER and _rank(status) >= _rank(message.delivery_status):
        message.delivery_status = status
        message.error = f"Twilio error {error_code}" if error_code else message.error
    is_recorded = message.state == OutgoingState.ACCEPTED and message.reversed_at is None
    if is_recorded and message.delivery_status in NOT_BILLED:
        _take_back(session, message, now)


def _rank(status: str | None) -> int:
    return _ORDER.index(status) if status in _ORDER else -1


def _take_back(session: Session, message: TextMessage, now: datetime) -> None:
    original_id = session.scalars(
        select(UsageEvent.id).where(
            UsageEvent.tenant_id == message.tenant_id, UsageEvent.idempotency_key == f"sms:{message.sid}"
        )
    ).one()
    correction = parse_usage(
        {
            "usage_type": "SMS_SENT",
            "quantity": -(message.segments or 0),
            "idempotency_key": f"sms:{message.sid}:failed",
            "user_id": message.user_id,
            "resource_type": "message",
            "resource_id": message.sid,
            "metadata": {**_about(message), "status": message.delivery_status, "error": message.error},
            "corrects_id": original_id,
        },
        now,
    )
    # Where the tenant's own services corrected it before, that correction stands: an event is corrected once.
    with suppress(AlreadyCorrected):
        record_usage(session, message.tenant_id, correction, source="twilio", now=now)
        message.reversed_at = now


def _usage_of(message: TextMessage, now: datetime) -> UsageInput:
    return parse_usage(
        {
            "usage_type": "SMS_SENT",
            "quantity": message.segments,
            "idempotency_key": f"sms:{message.sid}",
            "occurred_at": message.requested_at,
            "user_id": message.user_id,
            "resource_type": "message",
            "resource_id": message.sid,
            "metadata": _about(message),
        },
        now,
    )


def _about(message: TextMessage) -> dict[str, object]:
    return {**message.details, "to": message.to_number, "from": message.from_number}


def _reservation(message_id: int) -> str:
    return f"text:{message_id}"
