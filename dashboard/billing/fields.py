"""Single fields of a request, checked: what several kinds of requests have in common."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dashboard.billing.errors import InvalidInput

MAX_TEXT = 200
# The largest id a table can hold.
MAX_ID = 2**63 - 1
# RFC 5321, as the errata of RFC 3696 work it out.
MAX_EMAIL = 254
# No quotes, brackets or commas: they are legal in few places and mean something else in a header.
_EMAIL = re.compile(r"[^@\s\"'<>()\[\],;:\\]+@[^@\s\"'<>()\[\],;:\\]+\.[^@\s\"'<>()\[\],;:\\]+")
_CONTROLS = frozenset({"Cc", "Zl", "Zp", "Cs"})


def need_object(raw: object, fields: frozenset[str], name: str = "body") -> Mapping[str, Any]:
    """A JSON object that has no field beside `fields`; `name` is what it is called if it is none.

    Raises `InvalidInput`.
    """
    if type(raw) is not dict and not isinstance(raw, Mapping):
        raise InvalidInput(name, "must be a JSON object")
    if not raw.keys() <= fields:
        unknown = min(str(key) for key in raw if key not in fields)
        raise InvalidInput(unknown, f"is not a field; allowed are {', '.join(sorted(fields))}")
    return raw


def need_count(value: object, field: str) -> int:
    """A whole number of 0 or more.

    Raises `InvalidInput`.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidInput(field, "must be a whole number, 0 or more")
    return value


def need_moment(value: object, field: str) -> datetime:
    """A time with its offset, as ISO 8601 text or as it is.

    Raises `InvalidInput`.
    """
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InvalidInput(field, "must be an ISO 8601 time with an offset, such as 2026-06-01T09:30:00Z")
    return moment


def need_text(value: object, field: str, *, longest: int = MAX_TEXT) -> str:
    """A short text that PostgreSQL can keep.

    Raises `InvalidInput`.
    """
    if type(value) is str and len(value) <= longest and value.isascii() and value.isprintable() and value.strip():
        return value  # as nearly every one is
    if not isinstance(value, str) or not value or value.isspace():
        raise InvalidInput(field, f"must be a text of 1 to {longest} characters")
    if len(value) > longest:
        raise InvalidInput(field, f"must be at most {longest} characters")
    if "\x00" in value or not (value.isascii() or _is_storable(value)):
        raise InvalidInput(field, "must be Unicode text without NUL characters")
    return value


def need_name(value: object, field: str) -> str:
    """A name of a person or company: one line, without spaces around it.

    Line breaks and other control characters would become lines of a mail's header. Raises `InvalidInput`.
    """
    name = need_text(value, field).strip()
    if any(unicodedata.category(letter) in _CONTROLS for letter in name):
        raise InvalidInput(field, "must be one line without control characters")
    return name


def need_email(value: object, field: str) -> str:
    """An e-mail address, in small letters.

    Raises `InvalidInput`.
    """
    address = value.strip().lower() if isinstance(value, str) else ""
    if not _EMAIL.fullmatch(address) or len(address) > MAX_EMAIL or not address.isprintable():
        raise InvalidInput(field, "must be an email address")
    return address


def take_text(value: object, field: str, *, longest: int = MAX_TEXT) -> str | None:
    """The same where it may be absent: None then.

    Raises `InvalidInput`.
    """
    return None if value is None else need_text(value, field, longest=longest)


def _is_storable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
