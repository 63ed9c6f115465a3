"""Sending texts and making calls through Twilio, and asking what became of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date

import requests
from twilio.base import values
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from twilio.rest.api.v2010.account.call import CallInstance
from twilio.rest.api.v2010.account.message import MessageInstance

from dashboard.billing.ports.providers import CallFacts, ProviderRefused, ProviderUnavailable, TextFacts
from dashboard.billing.ports.telephony import RecordKind, TelephonyRecord
from dashboard.config import Settings
from dashboard.integrations.twilio.records import PAGE, call_record, text_record

# https://www.twilio.com/docs/api/errors: which field of ours an error is about.
_FIELDS = dict.fromkeys((21201, 21211, 21214, 21215, 21216, 21217, 21408, 21604, 21610, 21612, 21614), "to")
_FIELDS |= dict.fromkeys((21210, 21212, 21213, 21606, 21611), "from")
_FIELDS |= {21205: "url", 21602: "body", 21617: "body"}
# Seconds: to reach Twilio, and to wait for its answer.
TIMEOUT = 15
CALL_EVENTS = ["initiated", "ringing", "answered", "completed"]


class TwilioGateway:
    """The telephony provider of `billing.ports`, by the official SDK."""

    def __init__(self, settings: Settings) -> None:
        self._client = Client(
            settings.twilio_account_sid,
            settings.twilio_auth_token.get_secret_value(),
            http_client=TwilioHttpClient(timeout=TIMEOUT),
        )
        if settings.twilio_api_base:
            self._client.api.base_url = settings.twilio_api_base

    def send_text(self, *, to: str, from_: str, body: str, status_callback: str) -> TextFacts:
        """Send one text.

        Raises `ProviderRefused` (not sent, with the field where Twilio names one) or `ProviderUnavailable`
        (perhaps sent).
        """
        with _acting():
            made = self._client.messages.create(to=to, from_=from_, body=body, status_callback=status_callback)
            return _text_facts(made)

    def fetch_text(self, sid: str) -> TextFacts:
        """The text as Twilio has it now.

        Raises `ProviderUnavailable`, `ProviderRefused` (it knows none).
        """
        with _asking():
            return _text_facts(self._client.messages(sid).fetch())

    def make_call(self, *, to: str, from_: str, url: str | None, twiml: str | None, status_callback: str) -> CallFacts:
        """Make one call, and have every step of it told.

        Raises `ProviderRefused` (nobody was called) or `ProviderUnavailable` (perhaps called).
        """
        with _acting():
            made = self._client.calls.create(
                to=to,
                from_=from_,
                url=url or values.unset,
                twiml=twiml or values.unset,
                status_callback=status_callback,
                status_callback_event=CALL_EVENTS,
            )
            return _call_facts(made)

    def fetch_call(self, sid: str) -> CallFacts:
        """The call as Twilio has it now.

        Raises `ProviderUnavailable`, `ProviderRefused` (it knows none).
        """
        with _asking():
            return _call_facts(self._client.calls(sid).fetch())

    def list_texts(self, day: date) -> Iterator[TelephonyRecord]:
        """Every text of one day (UTC), page by page. Raises `ProviderUnavailable`, also in the middle."""
        # As text: of a date object the SDK makes its midnight, Twilio's filter for a whole day is the bare date.
        with _asking():
            for message in self._client.messages.stream(date_sent=day.isoformat(), page_size=PAGE):
                yield text_record(message)

    def list_calls(self, day: date) -> Iterator[TelephonyRecord]:
        """Every call that began on one day (UTC), page by page. Raises `ProviderUnavailable`, also in the middle."""
        with _asking():
            for call in self._client.calls.stream(start_time=day.isoformat(), page_size=PAGE):
                yield call_record(call)

    def find_record(self, kind: RecordKind, sid: str) -> TelephonyRecord | None:
        """One text or call as Twilio bills it, None where it knows none. Raises `ProviderUnavailable`."""
        try:
            with _asking():
                if kind == "text":
                    return text_record(self._client.messages(sid).fetch())
                return call_record(self._client.calls(sid).fetch())
        except ProviderRefused:
            return None


@contextmanager
def _acting() -> Iterator[None]:
    """4xx answers, 429 among them, mean that nothing was done; after a 5xx or silence nobody knows."""
    try:
        yield
    except TwilioRestException as error:
        if error.status < 500:
            raise ProviderRefused(error.msg, _FIELDS.get(error.code or 0)) from error
        raise ProviderUnavailable(f"Twilio: {error.msg}") from error
    except (TwilioException, requests.RequestException) as error:
        raise ProviderUnavailable("Twilio did not answer") from error


@contextmanager
def _asking() -> Iterator[None]:
    """A question may be asked again: only "there is none" is an answer."""
    try:
        yield
    except TwilioRestException as error:
        if error.status == 404:
            raise ProviderRefused(error.msg) from error
        raise ProviderUnavailable(f"Twilio: {error.msg}") from error
    except (TwilioException, requests.RequestException) as error:
        raise ProviderUnavailable("Twilio did not answer") from error


def _text_facts(message: MessageInstance) -> TextFacts:
    return TextFacts(
        sid=message.sid or "",
        status=str(message.status),
        # 0 while Twilio has not counted yet; no text takes less than one.
        segments=max(int(message.num_segments or 1), 1),
        error_code=str(message.error_code) if message.error_code else None,
    )


def _call_facts(call: CallInstance) -> CallFacts:
    ended_at = call.end_time
    if ended_at is not None and ended_at.tzinfo is None:
        ended_at = ended_at.replace(tzinfo=UTC)
    duration = int(call.duration) if call.duration not in (None, "") else None
    return CallFacts(sid=call.sid or "", status=str(call.status), duration=duration, ended_at=ended_at)
