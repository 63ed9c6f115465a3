"""What every answer of Twilio's API has in common: who asks, the form of an error, times and pages."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.utils import format_datetime

from flask import Response, request

from sandbox.store import Thing

API = "/2010-04-01"
ACCOUNT = f"{API}/Accounts/<account>"
NUMBER = re.compile(r"^\+[1-9]\d{6,14}$")
LONGEST_PAGE = 1_000


class TwilioFault(Exception):
    """An error answer in Twilio's form."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def answer(self) -> Response:
        """As HTTP."""
        more = f"https://www.twilio.com/docs/errors/{self.code}"
        return as_json(
            {"code": self.code, "message": self.message, "more_info": more, "status": self.status}, self.status
        )


def as_json(body: Thing, status: int = 200) -> Response:
    """An answer."""
    return Response(json.dumps(body), status=status, content_type="application/json")


def token_of(account: str) -> str:
    """The account's token: the sandbox takes any, and signs callbacks with the one it was called with."""
    given = request.authorization
    if given is None or given.username != account or not given.password:
        raise TwilioFault(401, 20003, "Authentication Error - invalid username")
    return given.password


def not_found() -> TwilioFault:
    """There is no such thing."""
    return TwilioFault(404, 20404, f"The requested resource {request.path} was not found")


def page_of(things: list[Thing], account: str, name: str) -> Response:
    """The account's things as one page, newest first, narrowed by To, From and Status."""
    query = request.args
    kept = [each for each in things[::-1] if each["account_sid"] == account]
    for name_, field in (("To", "to"), ("From", "from"), ("Status", "status")):
        if query.get(name_):
            kept = [each for each in kept if each[field] == query[name_]]
    size = min(int(query.get("PageSize", 50)), LONGEST_PAGE)
    page = int(query.get("Page", 0))
    more = len(kept) > (page + 1) * size
    uri = f"{request.path}?PageSize={size}"
    return as_json(
        {
            name: kept[page * size : (page + 1) * size],
            "page": page,
            "page_size": size,
            "uri": f"{uri}&Page={page}",
            "first_page_uri": f"{uri}&Page=0",
            "next_page_uri": f"{uri}&Page={page + 1}" if more else None,
            "previous_page_uri": f"{uri}&Page={page - 1}" if page else None,
            "start": page * size,
            "end": page * size + len(kept[page * size : (page + 1) * size]) - 1,
        }
    )


def stamp(seconds: float) -> str:
    """A time as Twilio writes it (RFC 2822)."""
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC))
