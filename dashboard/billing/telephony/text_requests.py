"""A request to send a text, checked field by field."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from dashboard.billing.fields import need_object, need_text
from dashboard.billing.ledger.usage_input import fingerprint
from dashboard.billing.telephony.outgoing import parse_who
from dashboard.billing.telephony.phone_numbers import choose_sender, need_number
from dashboard.models import Tenant

MAX_BODY = 1_600
FIELDS = frozenset({"to", "body", "from", "user_id", "metadata"})


@dataclass(frozen=True, slots=True)
class TextRequest:
    """A checked request to send a text."""

    to: str
    from_: str
    body: str
    user_id: str | None
    metadata: dict[str, Any]
    fingerprint: bytes


def parse_text_request(session: Session, raw: object, tenant: Tenant, now: datetime) -> TextRequest:
    """Check a request as it was sent (a JSON object).

    Raises `InvalidInput` with the field and what is allowed.
    """
    given = need_object(raw, FIELDS)
    to = need_number(given.get("to"), "to")
    from_ = choose_sender(session, tenant, given.get("from"))
    body = need_text(given.get("body"), "body", longest=MAX_BODY)
    user_id, metadata = parse_who(given, now)
    checked = {"to": to, "from": from_, "body": body, "user_id": user_id, "metadata": metadata}
    return TextRequest(to, from_, body, user_id, metadata, fingerprint(checked))
