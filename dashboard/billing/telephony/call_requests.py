"""A request to make a call, checked field by field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.fields import need_object, need_text
from dashboard.billing.ledger.usage_input import fingerprint
from dashboard.billing.telephony.outgoing import parse_who
from dashboard.billing.telephony.phone_numbers import choose_sender, need_number
from dashboard.models import Tenant

# Twilio takes TwiML of at most 4,000 characters with the request itself.
MAX_TWIML = 4_000
MAX_MESSAGE = 1_600
MAX_URL = 2_000
NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
SCRIPTS = ("url", "twiml", "message")
FIELDS = frozenset({"to", "from", *SCRIPTS, "user_id", "metadata"})


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A checked request to make a call. What is to happen in it stands at `url` or in `twiml`."""

    to: str
    from_: str
    url: str | None
    twiml: str | None
    user_id: str | None
    metadata: dict[str, Any]
    fingerprint: bytes


def parse_call_request(session: Session, raw: object, tenant: Tenant, now: datetime) -> CallRequest:
    """Check a request as it was sent (a JSON object).

    Raises `InvalidInput` with the field and what is allowed.
    """
    given = need_object(raw, FIELDS)
    to = need_number(given.get("to"), "to")
    from_ = choose_sender(session, tenant, given.get("from"))
    url, twiml = _script(given)
    user_id, metadata = parse_who(given, now)
    checked = {"to": to, "from": from_, "url": url, "twiml": twiml, "user_id": user_id, "metadata": metadata}
    return CallRequest(to, from_, url, twiml, user_id, metadata, fingerprint(checked))


def _script(given: Mapping[str, Any]) -> tuple[str | None, str | None]:
    named = [name for name in SCRIPTS if given.get(name) is not None]
    if len(named) != 1:
        raise InvalidInput(named[1] if named else "message", f"give one of {', '.join(SCRIPTS)}")
    if named == ["url"]:
        return _url(given["url"]), None
    if named == ["twiml"]:
        return None, _twiml(given["twiml"])
    message = need_text(given["message"], "message", longest=MAX_MESSAGE)
    if NO_XML.search(message):
        raise InvalidInput("message", "must be text without control characters")
    return None, _twiml(f"<Response><Say>{escape(message)}</Say></Response>", "message")


def _url(value: object) -> str:
    url = need_text(value, "url", longest=MAX_URL)
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        is_web = False
    if not is_web or not url.isascii() or any(char.isspace() for char in url):
        raise InvalidInput("url", "must be a URL that starts with http:// or https:// and answers with TwiML")
    return url


def _twiml(value: object, field: str = "twiml") -> str:
    twiml = need_text(value, field, longest=MAX_TWIML)
    if "<Response" not in twiml:
        raise InvalidInput(field, "must be TwiML: an XML document whose root is <Response>")
    return twiml
