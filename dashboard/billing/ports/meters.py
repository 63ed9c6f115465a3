"""What the meter sync needs of a billing provider: taking meter events, and taking them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class EventToSend:
    """One frozen meter event. `timestamp` is the moment that it counts for, aware UTC."""

    tenant_id: int
    id: int
    event_name: str
    payload: Mapping[str, str]
    identifier: str
    timestamp: datetime


class MeterSender(Protocol):
    """Sends meter events and takes them back. Safe for several threads at once."""

    @property
    def most(self) -> int:
        """How many events one call takes."""

    def send(self, events: Sequence[EventToSend]) -> list[bool]:
        """Send up to `most` events. For each: True when it is new, or False when the provider had its identifier
        already; both are delivery.

        Raises `ProviderRefused` (none was taken and never will be, as long as they go together) or
        `ProviderUnavailable` (perhaps taken: try the same again).
        """

    def cancel(self, event_name: str, identifier: str) -> None:
        """Take an event back that was sent within a day; one that the provider does not know counts nowhere either.

        Raises `ProviderRefused` and `ProviderUnavailable`.
        """


class Pace(Protocol):
    """How fast calls may follow each other, over all threads and workers."""

    def take(self, count: int) -> None:
        """Wait until `count` more events may be sent."""

    def hold(self, seconds: float) -> None:
        """Let nobody send for so long: the provider has had too much."""

    def wait(self, seconds: float) -> None:
        """Wait before another try."""
