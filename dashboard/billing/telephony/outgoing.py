"""What asking for a text and asking for a call have in common: the checks, and the intent that is stored first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.billing.errors import IdempotencyConflict, InvalidInput, NotFound
from dashboard.billing.ledger.usage_input import MAX_METADATA_BYTES, parse_usage
from dashboard.models import Call, OutgoingState, TextMessage

Intent = TypeVar("Intent", TextMessage, Call)
# The ledger's metadata also says to, from and how it ended: what was taken must still fit when that is added.
ROOM = 400


def parse_who(raw: Mapping[str, Any], now: datetime) -> tuple[str | None, dict[str, Any]]:
    """`user_id` and `metadata`, by the rules that hold for any usage event.

    Raises `InvalidInput`.
    """
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
    longest = MAX_METADATA_BYTES - ROOM
    if len(json.dumps(usage.metadata, ensure_ascii=False).encode()) > longest:
        raise InvalidInput("metadata", f"must be at most {longest} bytes")
    return usage.user_id, usage.metadata


def store_intent(
    session: Session,
    table: type[Intent],
    *,
    tenant_id: int,
    idempotency_key: str,
    fingerprint: bytes,
    now: datetime,
    **columns: object,
) -> tuple[Intent, bool]:
    """Store what Twilio is about to be asked: (the row, whether Twilio is to be asked now).

    A repeated key gives the first row and False; one that Twilio refused may be tried again with its key.
    Raises `IdempotencyConflict`.
    """
    new_id = session.scalar(
        insert(table)
        .values(
            tenant_id=tenant_id,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
            state=OutgoingState.SENDING,
            requested_at=now,
            **columns,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "idempotency_key"])
        .returning(table.id)
    )
    row = session.scalars(
        select(table)
        .where(table.tenant_id == tenant_id, table.idempotency_key == idempotency_key)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if row.fingerprint != fingerprint:
        raise IdempotencyConflict(idempotency_key)
    if new_id is None and row.state == OutgoingState.REFUSED:
        row.state, row.error, row.requested_at = OutgoingState.SENDING, None, now
        return row, True
    return row, new_id is not None


def need_match(session: Session, row: TextMessage | Call, *, sid: str, to: str, from_: str) -> None:
    """Make sure that a callback may give a row without a SID the one it tells of.

    A signature is not enough: a tenant's own TwiML can have Twilio post its calls, signed, to any address of ours.
    Raises `NotFound`.
    """
    if row.sid is not None:
        return
    table = type(row)
    known = session.scalar(select(table.id).where(table.tenant_id == row.tenant_id, table.sid == sid))
    if known is not None or (row.to_number, row.from_number) != (to, from_):
        raise NotFound(f"{row.id} is another one than {sid}")
