"""Texts and calls that come in: to whom they belong, and what happens when nobody has the number yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.ledger.usage import record_usage
from dashboard.billing.ledger.usage_input import parse_usage
from dashboard.billing.telephony.calls import CallTold, receive_call
from dashboard.billing.telephony.phone_numbers import need_number, tenant_of_number
from dashboard.database import lock_object
from dashboard.models import PhoneNumber, Tenant, UnassignedCallback


@dataclass(frozen=True, slots=True)
class Inbound:
    """What one webhook told of a text or call at our number `to`.

    `quantity` is the segments of a text or the whole seconds of a call, None while it goes on.
    """

    kind: Literal["text", "call"]
    sid: str
    status: str
    to: str
    from_: str
    quantity: int | None
    happened_at: datetime


def receive(session: Session, told: Inbound, now: datetime) -> int | None:
    """Record what a signed webhook told about one of our numbers, once; answers the tenant.

    When nobody has the number the webhook is kept (None) and recorded by `assign_number`.
    """
    tenant_id = tenant_of_number(session, told.to)
    if tenant_id is None:
        # Somebody may be assigning it right now: whoever holds the number first, nothing falls between the two.
        _hold_number(session, told.to)
        tenant_id = tenant_of_number(session, told.to)
    if tenant_id is None:
        _keep(session, told, now)
        return None
    _record(session, tenant_id, told, now)
    return tenant_id


def assign_number(session: Session, tenant: Tenant, number: str, now: datetime, *, field: str = "number") -> int:
    """Give a number to a tenant, and record what arrived at it before; answers how many webhooks that were.

    The first number of a tenant is also what its texts come from. Assigning again changes nothing.
    Raises `InvalidInput` about `field` for a malformed number or one that another tenant has.
    """
    need_number(number, field)
    _hold_number(session, number)
    session.execute(
        insert(PhoneNumber)
        .values(number=number, tenant_id=tenant.id, assigned_at=now)
        .on_conflict_do_nothing(index_elements=["number"])
    )
    if tenant_of_number(session, number) != tenant.id:
        raise InvalidInput(field, f"{number} belongs to another tenant")
    tenant.sms_from = tenant.sms_from or number
    kept = session.scalars(
        delete(UnassignedCallback).where(UnassignedCallback.to_number == number).returning(UnassignedCallback)
    ).all()
    for row in sorted(kept, key=lambda row: row.received_at):
        _record(session, tenant.id, _as_inbound(row), now)
    return len(kept)


def _hold_number(session: Session, number: str) -> None:
    lock_object(session, "phone-number", number)


def _record(session: Session, tenant_id: int, told: Inbound, now: datetime) -> None:
    """A text counts as `SMS_RECEIVED` by its segments, as Twilio bills it; a call counts when it has ended."""
    if told.kind == "call":
        call = CallTold(told.sid, told.status, told.to, told.from_, told.quantity, told.happened_at)
        receive_call(session, tenant_id, call, now)
        return
    usage = parse_usage(
        {
            "usage_type": "SMS_RECEIVED",
            "quantity": told.quantity,
            "idempotency_key": f"sms:{told.sid}",
            "resource_type": "message",
            "resource_id": told.sid,
            "metadata": {"to": told.to, "from": told.from_},
        },
        now,
    )
    # The webhook carries no time, so ours differs when it is repeated: it is no part of what makes a repeat equal.
    dated = msgspec.structs.replace(usage, occurred_at=told.happened_at)
    record_usage(session, tenant_id, dated, source="twilio", now=now)


def _keep(session: Session, told: Inbound, now: datetime) -> None:
    session.execute(
        insert(UnassignedCallback)
        .values(
            sid=told.sid,
            status=told.status,
            kind=told.kind,
            to_number=told.to,
            from_number=told.from_,
            quantity=told.quantity,
            happened_at=told.happened_at,
            received_at=now,
        )
        .on_conflict_do_nothing(index_elements=["sid", "status"])
    )


def _as_inbound(row: UnassignedCallback) -> Inbound:
    return Inbound(
        kind="text" if row.kind == "text" else "call",
        sid=row.sid,
        status=row.status,
        to=row.to_number,
        from_=row.from_number,
        quantity=row.quantity,
        happened_at=row.happened_at,
    )
