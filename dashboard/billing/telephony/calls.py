"""Calls, made and received: stored, followed by callbacks, recorded when they have ended.

Twilio bills a call that is `completed`, by its length, and none that ends `busy`, `no-answer`, `failed` or `canceled`
(https://www.twilio.com/help/faq/voice/what-do-the-call-statuses-mean). So usage is recorded when Twilio says
`completed`: one `CALL_MADE` or `CALL_RECEIVED`, and the whole seconds. It belongs to the moment the call ended, because
only then is it known: a call over the end of a billing period is in the later one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.billing.errors import NotFound
from dashboard.billing.ledger.usage import record_usages
from dashboard.billing.ledger.usage_input import UsageInput, parse_usage
from dashboard.billing.limits import quotas
from dashboard.billing.ports.providers import CallFacts
from dashboard.billing.telephony import outgoing
from dashboard.billing.telephony.call_requests import CallRequest
from dashboard.models import Call, Direction, OutgoingState

COMPLETED = "completed"
# Twilio ends a call after four hours (https://www.twilio.com/docs/voice/api/call-resource, `TimeLimit`); its
# reservation is held for as long, and for the time it waits and rings.
LONGEST = timedelta(hours=5)
# Callbacks repeat and come out of order: a status never goes back, and `completed` outranks every other end.
_ORDER = ("queued", "initiated", "ringing", "in-progress", "canceled", "failed", "busy", "no-answer", COMPLETED)
FINAL = frozenset(_ORDER[_ORDER.index("canceled") :])


@dataclass(frozen=True, slots=True)
class CallTold:
    """What one callback told of a call. `duration` is whole seconds, known when it is completed."""

    sid: str
    status: str
    to: str
    from_: str
    duration: int | None
    happened_at: datetime


def store_call(
    session: Session, tenant_id: int, request: CallRequest, idempotency_key: str, now: datetime
) -> tuple[Call, bool]:
    """Store what is about to be asked for and reserve one call: (the call, whether Twilio is to be asked now).

    Raises `IdempotencyConflict`, `PaymentOverdue`, `CapReached`.
    """
    call, is_to_be_made = outgoing.store_intent(
        session,
        Call,
        tenant_id=tenant_id,
        idempotency_key=idempotency_key,
        fingerprint=request.fingerprint,
        now=now,
        direction=Direction.OUTBOUND,
        to_number=request.to,
        from_number=request.from_,
        user_id=request.user_id,
        details=request.metadata,
    )
    if is_to_be_made:
        quotas.reserve(session, tenant_id, "CALL_MADE", 1, key=_reservation(call.id), now=now, ttl=LONGEST)
    return call, is_to_be_made


def accept_call(session: Session, tenant_id: int, call_id: int, facts: CallFacts, now: datetime) -> Call:
    """Note what Twilio says of the call: that it took it, or how it is now.

    Raises `NotFound` when there is no such call, or it has another SID.
    """
    call = _locked(session, tenant_id, call_id, facts.sid)
    _take(call, facts.sid, now)
    _note_status(session, call, facts.status, facts.duration, facts.ended_at or now, now)
    session.flush()
    return call


def refuse_call(session: Session, tenant_id: int, call_id: int, error: str) -> None:
    """Note that Twilio refused the call: nobody was called, its reservation is given back."""
    call = _locked(session, tenant_id, call_id, None)
    if call.state == OutgoingState.SENDING:
        call.state, call.error = OutgoingState.REFUSED, error
        quotas.release(session, tenant_id, _reservation(call_id))


def note_call(session: Session, tenant_id: int, call_id: int, told: CallTold, now: datetime) -> None:
    """Note what a callback told; a call whose answer we never saw is taken on by it.

    Raises `NotFound` when there is no such call, or it is another one than Twilio speaks of.
    """
    call = _locked(session, tenant_id, call_id, told.sid)
    outgoing.need_match(session, call, sid=told.sid, to=told.to, from_=told.from_)
    _take(call, told.sid, now)
    _note_status(session, call, told.status, told.duration, told.happened_at, now)


def receive_call(session: Session, tenant_id: int, told: CallTold, now: datetime) -> None:
    """Note what a webhook told of a call that came in at a number of the tenant."""
    session.execute(
        insert(Call)
        .values(
            tenant_id=tenant_id,
            direction=Direction.INBOUND,
            to_number=told.to,
            from_number=told.from_,
            details={},
            state=OutgoingState.ACCEPTED,
            sid=told.sid,
            requested_at=min(told.happened_at, now),
            accepted_at=now,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "sid"])
    )
    call = session.scalars(
        select(Call)
        .where(Call.tenant_id == tenant_id, Call.sid == told.sid)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    _note_status(session, call, told.status, told.duration, told.happened_at, now)


def list_unsettled_calls(
    session: Session, start: datetime, stop: datetime, *, limit: int = 100
) -> list[tuple[int, int, str]]:
    """(tenant, call, SID) of calls that began in `[start, stop)` and of whose end we have not heard."""
    rows = session.execute(
        select(Call.tenant_id, Call.id, Call.sid)
        .where(Call.sid.is_not(None), Call.ended_at.is_(None), Call.requested_at >= start, Call.requested_at < stop)
        .order_by(Call.requested_at)
        .limit(limit)
    )
    return [(tenant_id, call_id, sid or "") for tenant_id, call_id, sid in rows]


def _locked(session: Session, tenant_id: int, call_id: int, sid: str | None) -> Call:
    call = session.get(Call, (tenant_id, call_id), with_for_update=True, populate_existing=True)
    if call is None:
        raise NotFound(f"no call {call_id}")
    if sid is not None and call.sid not in (None, sid):
        raise NotFound(f"call {call_id} has another SID")
    return call


def _take(call: Call, sid: str, now: datetime) -> None:
    if call.state != OutgoingState.ACCEPTED:
        call.state, call.sid, call.accepted_at, call.error = OutgoingState.ACCEPTED, sid, now, None


def _note_status(
    session: Session, call: Call, status: str, duration: int | None, happened_at: datetime, now: datetime
) -> None:
    is_news = status in _ORDER and _rank(status) > _rank(call.status)
    # Without its length a completed call cannot be recorded: `list_unsettled_calls` finds it, and Twilio is asked.
    if not is_news or (status == COMPLETED and duration is None):
        return
    call.status = status
    if status not in FINAL:
        return
    call.ended_at = min(happened_at, now)
    if status == COMPLETED:
        call.duration = duration
        record_usages(session, call.tenant_id, _usage_of(call, now), source="twilio", now=now)
    if call.direction == Direction.OUTBOUND:
        end = quotas.settle if status == COMPLETED else quotas.release
        end(session, call.tenant_id, _reservation(call.id))


def _rank(status: str | None) -> int:
    return _ORDER.index(status) if status in _ORDER else -1


def _usage_of(call: Call, now: datetime) -> list[UsageInput]:
    """The call itself, and its seconds."""
    kind = "CALL_MADE" if call.direction == Direction.OUTBOUND else "CALL_RECEIVED"
    common = {
        "occurred_at": call.ended_at,
        "user_id": call.user_id,
        "resource_type": "call",
        "resource_id": call.sid,
        "metadata": {**call.details, "to": call.to_number, "from": call.from_number},
    }
    amounts = ((kind, 1, f"call:{call.sid}"), ("CALL_DURATION_SECONDS", call.duration, f"call:{call.sid}:seconds"))
    return [
        parse_usage({**common, "usage_type": kind, "quantity": quantity, "idempotency_key": key}, now)
        for kind, quantity, key in amounts
    ]


def _reservation(call_id: int) -> str:
    return f"call:{call_id}"
