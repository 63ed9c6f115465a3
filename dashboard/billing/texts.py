"""Sending a text: the intent is stored first, then Twilio is asked, then usage is recorded.

Twilio has no idempotency keys. A crash between its answer and our commit is healed by its status callback, whose
address carries our message id: it records the usage under the same key, so it counts once whoever comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.billing.accounts import PHONE
from dashboard.billing.errors import IdempotencyConflict, InvalidInput, NotFound
from dashboard.billing.ports import TextFacts
from dashboard.billing.usage import record_usage
from dashboard.billing.usage_input import clean_text, fingerprint, parse_usage
from dashboard.models import Tenant, TextMessage, TextState

MAX_BODY = 1_600
FIELDS = frozenset({"to", "body", "from", "user_id", "metadata"})
# Callbacks repeat and come out of order: a status never goes back.
_ORDER = ("accepted", "queued", "sending", "sent", "delivered", "undelivered", "failed", "read")


@dataclass(frozen=True, slots=True)
class TextRequest:
    """A checked request to send a text."""

    to: str
    from_: str
    body: str
    user_id: str | None
    metadata: dict[str, Any]
    fingerprint: bytes


def parse_text_request(raw: object, tenant: Tenant, now: datetime) -> TextRequest:
    """Check a request as it was sent (a JSON object).

    Raises `InvalidInput` with the field and what is allowed.
    """
    if not isinstance(raw, Mapping):
        raise InvalidInput("body", "the request must be a JSON object")
    unknown = sorted(set(raw) - FIELDS)
    if unknown:
        raise InvalidInput(unknown[0], f"is not a field; allowed are {', '.join(sorted(FIELDS))}")
    to = raw.get("to")
    if not isinstance(to, str) or not PHONE.match(to):
        raise InvalidInput("to", "must be an E.164 number such as +15551230000")
    from_ = raw.get("from", tenant.sms_from)
    if not isinstance(from_, str) or not PHONE.match(from_):
        raise InvalidInput("from", "must be an E.164 number; this tenant has no number of its own")
    if tenant.sms_from is not None and from_ != tenant.sms_from:
        raise InvalidInput("from", f"must be this tenant's number, {tenant.sms_from}")
    body = clean_text(raw.get("body"), "body", required=True, longest=MAX_BODY) or ""
    # The same rules as for any usage event hold for who and what else.
    usage = parse_usage(
        {
            "usage_type": "SMS_SENT",
            "quantity": 1,
            "idempotency_key": "check",
            "user_id": raw.get("user_id"),
            "metadata": raw.get("metadata"),
        },
        now,
    )
    given = {"to": to, "from": from_, "body": body, "user_id": usage.user_id, "metadata": usage.metadata}
    return TextRequest(to, from_, body, usage.user_id, usage.metadata, fingerprint(given))


def store_intent(
    session: Session, tenant_id: int, request: TextRequest, idempotency_key: str, now: datetime
) -> tuple[TextMessage, bool]:
    """Store what is about to be sent: (the message, whether it is to be sent now).

    A repeated key gives the first message and False; one that Twilio refused may be tried again with its key.
    Raises `IdempotencyConflict`.
    """
    statement = (
        insert(TextMessage)
        .values(
            tenant_id=tenant_id,
            idempotency_key=idempotency_key,
            fingerprint=request.fingerprint,
            to_number=request.to,
            from_number=request.from_,
            user_id=request.user_id,
            details=request.metadata,
            state=TextState.SENDING,
            requested_at=now,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "idempotency_key"])
        .returning(TextMessage.id)
    )
    new_id = session.scalar(statement)
    message = session.scalars(
        select(TextMessage)
        .where(TextMessage.tenant_id == tenant_id, TextMessage.idempotency_key == idempotency_key)
        .with_for_update()
    ).one()
    if message.fingerprint != request.fingerprint:
        raise IdempotencyConflict(idempotency_key)
    if new_id is None and message.state == TextState.REFUSED:
        message.state, message.error, message.requested_at = TextState.SENDING, None, now
        return message, True
    return message, new_id is not None


def accept_text(session: Session, tenant_id: int, message_id: int, facts: TextFacts, now: datetime) -> TextMessage:
    """Note that Twilio took the text, and record its segments as `SMS_SENT`, once.

    Usage happens when the text was asked for, whoever tells of it: our own request or a later callback.
    Raises `NotFound`.
    """
    message = _locked(session, tenant_id, message_id)
    usage = parse_usage(
        {
            "usage_type": "SMS_SENT",
            "quantity": facts.segments,
            "idempotency_key": f"sms:{facts.sid}",
            "occurred_at": message.requested_at,
            "user_id": message.user_id,
            "resource_type": "message",
            "resource_id": facts.sid,
            "metadata": {**message.details, "to": message.to_number, "from": message.from_number},
        },
        now,
    )
    record_usage(session, tenant_id, usage, source="twilio", now=now)
    message.state, message.sid, message.segments = TextState.ACCEPTED, facts.sid, facts.segments
    message.accepted_at = message.accepted_at or now
    message.delivery_status = _later(message.delivery_status, facts.status)
    message.error = None
    session.flush()
    return message


def refuse_text(session: Session, tenant_id: int, message_id: int, error: str) -> None:
    """Note that Twilio refused the text: nothing was sent, nothing is billed."""
    message = _locked(session, tenant_id, message_id)
    if message.state == TextState.SENDING:
        message.state, message.error = TextState.REFUSED, error


def note_delivery(session: Session, tenant_id: int, message_id: int, sid: str, status: str) -> bool:
    """Note a delivery status. False when the message's usage is not recorded yet: fetch the text and accept it.

    Raises `NotFound` when there is no such message, or it has another SID.
    """
    message = _locked(session, tenant_id, message_id)
    if message.sid is None:
        return False
    if message.sid != sid:
        raise NotFound(f"message {message_id} has another SID")
    message.delivery_status = _later(message.delivery_status, status)
    return True


def _locked(session: Session, tenant_id: int, message_id: int) -> TextMessage:
    message = session.get(TextMessage, (tenant_id, message_id), with_for_update=True, populate_existing=True)
    if message is None:
        raise NotFound(f"no message {message_id}")
    return message


def _later(known: str | None, told: str) -> str:
    if known not in _ORDER:
        return told
    return told if told in _ORDER and _ORDER.index(told) > _ORDER.index(known) else known
