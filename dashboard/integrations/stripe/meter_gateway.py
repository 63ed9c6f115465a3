"""Meter events by version 1: one a call, refused or taken at once, and taken back by an adjustment."""

from __future__ import annotations

from collections.abc import Sequence

import stripe
from stripe import StripeClient

from dashboard.billing.ports.meters import EventToSend
from dashboard.billing.ports.providers import ProviderRefused
from dashboard.integrations.stripe.client import domain_errors


class MeterGateway:
    """The `MeterSender` of `billing.ports_meters`, by the official SDK."""

    most = 1

    def __init__(self, client: StripeClient) -> None:
        self._billing = client.v1.billing

    def send(self, events: Sequence[EventToSend]) -> list[bool]:
        """Send one event; an identifier that Stripe has already is delivery too."""
        (event,) = events
        try:
            with domain_errors():
                self._billing.meter_events.create(
                    {
                        "event_name": event.event_name,
                        "payload": dict(event.payload),
                        "identifier": event.identifier,
                        "timestamp": int(event.timestamp.timestamp()),
                    }
                )
        except ProviderRefused as refusal:
            if says_already_exists(refusal):
                return [False]
            raise ProviderRefused(str(refusal), refusal.param, code_of(refusal)) from refusal
        return [True]

    def cancel(self, event_name: str, identifier: str) -> None:
        """Take one event back; one that Stripe does not have counts nowhere."""
        try:
            with domain_errors():
                self._billing.meter_event_adjustments.create(
                    {"event_name": event_name, "type": "cancel", "cancel": {"identifier": identifier}}
                )
        except ProviderRefused as refusal:
            if refusal.code != "resource_missing":
                raise


def says_already_exists(refusal: ProviderRefused) -> bool:
    """Stripe has no error code for it; the words are "An event already exists with identifier …"."""
    cause = refusal.__cause__
    return isinstance(cause, stripe.StripeError) and cause.http_status == 400 and "already exists" in str(refusal)


def code_of(refusal: ProviderRefused) -> str | None:
    """The code that an error report gives for the same: version 1 refuses at once, with words and a parameter only."""
    words = str(refusal).lower()
    if refusal.param == "timestamp":
        return "timestamp_in_future" if "future" in words else "timestamp_too_far_in_past"
    if refusal.param == "event_name":
        return "archived_meter"
    if "customer" in words:
        return "meter_event_customer_not_found"
    if "digits" in words:
        return "meter_event_value_too_many_digits"
    return refusal.code
