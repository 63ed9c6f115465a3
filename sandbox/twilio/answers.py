"""What every answer of Twilio's API has in common: who asks, the form of an error, times and pages."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import urlencode

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


def page_of(things: list[Thing], account: str, name: str, time_filter: tuple[str, str]) -> Response:
    """The account's things as one page, newest first, narrowed by To, From, Status and a time.

    `time_filter` is the parameter and the field it looks at: ("DateSent", "date_sent").
    """
    query = request.args
    kept = [each for each in things[::-1] if each["account_sid"] == account and _is_within(each, *time_filter)]
    for name_, field in (("To", "to"), ("From", "from"), ("Status", "status")):
        if query.get(name_):
            kept = [each for each in kept if each[field] == query[name_]]
    size = min(int(query.get("PageSize", 50)), LONGEST_PAGE)
    page = int(query.get("Page", 0))
    more = len(kept) > (page + 1) * size
    narrowed = {key: value for key, value in query.items() if key not in {"Page", "PageSize", "PageToken"}}
    uri = f"{request.path}?{urlencode({**narrowed, 'PageSize': size})}"
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


def _is_within(thing: Thing, parameter: str, field: str) -> bool:
    """Whether the thing's time is on the day of `parameter`, and neither after its `<` nor before its `>`.

    A bound without a time of day is a whole day (GMT), which belongs to the answer. What has no time fits no bound.
    """
    wanted = {sign: request.args[parameter + sign] for sign in ("", "<", ">") if request.args.get(parameter + sign)}
    if not wanted:
        return True
    if thing[field] is None:
        return False
    moment = parsedate_to_datetime(thing[field])
    return all(_fits(moment, sign, given) for sign, given in wanted.items())


def _fits(moment: datetime, sign: str, given: str) -> bool:
    try:
        if len(given) == len("2009-07-06") or not sign:
            here, bound = moment.date().isoformat(), date.fromisoformat(given[:10]).isoformat()
        else:
            here, bound = moment.isoformat(), datetime.fromisoformat(given).astimezone(UTC).isoformat()
    except ValueError as error:
        raise TwilioFault(400, 20001, f"Invalid date: {given}") from error
    return here == bound if not sign else here <= bound if sign == "<" else here >= bound


def stamp(seconds: float) -> str:
    """A time as Twilio writes it (RFC 2822)."""
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC))
