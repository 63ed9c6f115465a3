"""Sending texts through Twilio, and asking what became of one."""

from __future__ import annotations

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance

from dashboard.billing.ports import ProviderRefused, ProviderUnavailable, TextFacts
from dashboard.config import Settings

# https://www.twilio.com/docs/api/errors: which field of ours an error is about.
_FIELDS = {21211: "to", 21214: "to", 21604: "to", 21610: "to", 21614: "to", 21212: "from", 21606: "from"}
_FIELDS |= {21602: "body", 21617: "body"}


class TwilioGateway:
    """The text provider of `billing.ports`, by the official SDK."""

    def __init__(self, settings: Settings) -> None:
        self._client = Client(
            settings.twilio_account_sid,
            settings.twilio_auth_token.get_secret_value(),
            http_client=TwilioHttpClient(timeout=15),
        )
        if settings.twilio_api_base:
            self._client.api.base_url = settings.twilio_api_base

    def send_text(self, *, to: str, from_: str, body: str, status_callback: str) -> TextFacts:
        """Send one text.

        Raises `ProviderRefused` (not sent, with the field where Twilio names one) or `ProviderUnavailable`
        (perhaps sent).
        """
        try:
            return _facts(self._client.messages.create(to=to, from_=from_, body=body, status_callback=status_callback))
        except TwilioRestException as error:
            # 4xx answers and 429 mean that nothing was sent; after a 5xx nobody knows.
            if error.status < 500:
                raise ProviderRefused(error.msg, _FIELDS.get(error.code or 0)) from error
            raise ProviderUnavailable(f"Twilio: {error.msg}") from error
        except (TwilioException, requests.RequestException) as error:
            raise ProviderUnavailable("Twilio did not answer") from error

    def fetch_text(self, sid: str) -> TextFacts:
        """The text as Twilio has it now.

        Raises `ProviderUnavailable`, `ProviderRefused`.
        """
        try:
            return _facts(self._client.messages(sid).fetch())
        except TwilioRestException as error:
            if error.status == 404:
                raise ProviderRefused(error.msg) from error
            raise ProviderUnavailable(f"Twilio: {error.msg}") from error
        except (TwilioException, requests.RequestException) as error:
            raise ProviderUnavailable("Twilio did not answer") from error


def _facts(message: MessageInstance) -> TextFacts:
    return TextFacts(sid=message.sid or "", status=str(message.status), segments=int(message.num_segments or 1))
