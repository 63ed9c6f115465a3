"""A webhook of Twilio: verified, then its parameters one by one."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from flask import abort, request
from werkzeug.exceptions import BadRequest

from dashboard.integrations.twilio.signature import is_signed_form, is_signed_json
from dashboard.wiring import now, wiring

MESSAGE_SID = re.compile(r"(SM|MM)[0-9a-f]{32}")
CALL_SID = re.compile(r"CA[0-9a-f]{32}")
STATUS = re.compile(r"[a-z_-]{1,32}")
NUMBER = re.compile(r"[0-9]{1,9}")
ADDRESS = re.compile(r"[^\x00-\x1f\ud800-\udfff]{1,200}")


class TwilioRequest:
    """The parameters of a verified webhook. A missing or malformed one is a 400 that names it."""

    def __init__(self, parameters: dict[str, str]) -> None:
        self._parameters = parameters

    def need(self, name: str, form: re.Pattern[str]) -> str:
        """A parameter that must be there, in its form."""
        value = self.take(name, form)
        if value is None:
            raise BadRequest(f"{name}: is missing.")
        return value

    def take(self, name: str, form: re.Pattern[str]) -> str | None:
        """A parameter that may be absent or empty."""
        value = self._parameters.get(name, "")
        if not value:
            return None
        if not form.fullmatch(value):
            raise BadRequest(f"{name}: is malformed.")
        return value

    def whole(self, name: str) -> int | None:
        """A whole number of 0 or more that may be absent."""
        value = self.take(name, NUMBER)
        return int(value) if value is not None else None

    def moment(self) -> datetime:
        """When it happened, aware UTC: Twilio's `Timestamp` (RFC 2822), or now."""
        try:
            told = parsedate_to_datetime(self._parameters.get("Timestamp", ""))
        except ValueError:
            return now()
        told = told if told.tzinfo else told.replace(tzinfo=UTC)
        return min(told.astimezone(UTC), now()) if told.year >= 2000 else now()


def verified() -> TwilioRequest:
    """This request's parameters. What Twilio did not sign is refused with 403 and leaves nothing.

    Signed is the address as Twilio saw it: the public one, whatever proxies made of it on the way.
    """
    settings = wiring().settings
    query = request.query_string.decode("latin-1")
    url = f"{settings.public_url}{request.path}{f'?{query}' if query else ''}"
    signature, token = request.headers.get("X-Twilio-Signature"), settings.twilio_auth_token.get_secret_value()
    if request.is_json:
        is_signed = is_signed_json(url, request.get_data(), signature, token)
    else:
        is_signed = is_signed_form(url, request.form, signature, token)
    if not is_signed:
        abort(403, "X-Twilio-Signature: does not match.")
    return TwilioRequest(_json_parameters() if request.is_json else request.form.to_dict())


def _json_parameters() -> dict[str, str]:
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        abort(400, "The body must be a JSON object.")
    return {name: str(value) for name, value in body.items() if value is not None}
