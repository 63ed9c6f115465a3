"""What the inbox needs of a billing provider beside the objects we mirror: its event lists, and where events lead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class PriceFacts:
    """A price as the provider has it."""

    id: str
    active: bool


@dataclass(frozen=True, slots=True)
class MeterErrorFacts:
    """A report of meter events that the provider took and could not count. For `errors` see `MeterErrorReport`."""

    event_id: str
    meter_id: str | None
    summary: str
    error_count: int
    errors: tuple[dict[str, Any], ...]
    window_start: datetime
    window_end: datetime


class EventProvider(Protocol):
    """Lists events that were not delivered, and finds what events are about."""

    def list_events(self, since: datetime) -> Iterator[Mapping[str, Any]]:
        """Every event created at or after, newest first, as it would be delivered; 30 days back at most."""

    def list_thin_events(self, since: datetime) -> Iterator[Mapping[str, Any]]:
        """The same for events without data, of the types that are handled here."""

    def find_invoice_of_payment(self, payment_intent_id: str) -> str | None:
        """The id of the invoice that this payment pays, or None."""

    def find_payment_of_charge(self, charge_id: str) -> str | None:
        """The payment intent of a charge, or None."""

    def fetch_price(self, price_id: str) -> PriceFacts | None:
        """The price as it is now, or None when it was deleted."""

    def fetch_meter_errors(self, event_id: str) -> MeterErrorFacts | None:
        """The report that a thin event announces, or None."""
