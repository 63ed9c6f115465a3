"""Twilio's own records of texts and calls: what it lists for a day, and what each comes to."""

from __future__ import annotations

from datetime import UTC, datetime

from twilio.rest.api.v2010.account.call import CallInstance
from twilio.rest.api.v2010.account.message import MessageInstance

from dashboard.billing.ports.telephony import TelephonyRecord
from dashboard.billing.telephony.calls import COMPLETED, FINAL
from dashboard.billing.telephony.texts import NOT_BILLED

# The longest page that Twilio gives: https://www.twilio.com/docs/usage/twilios-response#pagination
PAGE = 1_000


def text_record(message: MessageInstance) -> TelephonyRecord:
    """A message as it is billed: by its segments, and not at all when it never left Twilio."""
    direction, status = str(message.direction), str(message.status)
    # 0 while Twilio has not counted yet.
    segments = int(message.num_segments or 0) or None
    return TelephonyRecord(
        sid=message.sid or "",
        kind="text",
        direction=direction,
        our_number=_our_number(direction, message.from_, message.to),
        quantity=0 if status in NOT_BILLED else segments,
        status=status,
        dated_at=_aware(message.date_sent),
    )


def call_record(call: CallInstance) -> TelephonyRecord:
    """A call as it is billed: by its seconds once it is completed, and not at all after any other end."""
    direction, status = str(call.direction), str(call.status)
    quantity = int(call.duration or 0) if status == COMPLETED else 0 if status in FINAL else None
    return TelephonyRecord(
        sid=call.sid or "",
        kind="call",
        direction=direction,
        our_number=_our_number(direction, call._from, call.to),
        quantity=quantity,
        status=status,
        dated_at=_aware(call.start_time),
    )


def _our_number(direction: str, from_: str | None, to: str | None) -> str:
    return (to if direction == "inbound" else from_) or ""


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
