"""Meter events by version 2's stream: a hundred a request, under a session token that lives for 15 minutes.

Stripe checks them afterwards and tells what is wrong by error reports only; an identifier that it has already is passed
over without a word. It works in live mode only, says Stripe: so it is off unless STRIPE_METER_STREAM is on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import stripe
from stripe import StripeClient

from dashboard.billing.ports.meters import EventToSend
from dashboard.billing.ports.providers import ProviderUnavailable
from dashboard.integrations.stripe.client import domain_errors
from dashboard.integrations.stripe.meter_gateway import MeterGateway

# A session lives for 15 minutes; a new one is begun a little earlier.
RENEW_AFTER = 14 * 60.0


class MeterStream:
    """The `MeterSender` of `billing.ports_meters` over the stream; events are taken back by version 1."""

    most = 100

    def __init__(self, client: StripeClient, client_for: Callable[[str], StripeClient]) -> None:
        self._client, self._client_for = client, client_for
        self._gateway = MeterGateway(client)
        self._lock = threading.Lock()
        self._session: StripeClient | None = None
        self._begun_at = 0.0

    def send(self, events: Sequence[EventToSend]) -> list[bool]:
        """Send up to 100 events. Which of them Stripe had already is not told."""
        session = self._current()
        try:
            self._post(session, events)
        except ProviderUnavailable as error:
            if not isinstance(error.__cause__, stripe.TemporarySessionExpiredError | stripe.AuthenticationError):
                raise
            self._post(self._renewed(session), events)
        return [True] * len(events)

    def cancel(self, event_name: str, identifier: str) -> None:
        """Take one event back."""
        self._gateway.cancel(event_name, identifier)

    def _post(self, session: StripeClient, events: Sequence[EventToSend]) -> None:
        with domain_errors():
            session.v2.billing.meter_event_stream.create(
                {
                    "events": [
                        {
                            "event_name": event.event_name,
                            "payload": dict(event.payload),
                            "identifier": event.identifier,
                            "timestamp": event.timestamp.isoformat().replace("+00:00", "Z"),
                        }
                        for event in events
                    ]
                }
            )

    def _current(self) -> StripeClient:
        with self._lock:
            if self._session is not None and time.monotonic() - self._begun_at < RENEW_AFTER:
                return self._session
            return self._begin()

    def _renewed(self, used: StripeClient) -> StripeClient:
        """A session that is not the one which was refused; another thread may have begun it."""
        with self._lock:
            if self._session is not None and self._session is not used:
                return self._session
            return self._begin()

    def _begin(self) -> StripeClient:
        with domain_errors():
            session = self._client.v2.billing.meter_event_session.create()
        self._session = self._client_for(session.authentication_token)
        self._begun_at = time.monotonic()
        return self._session
