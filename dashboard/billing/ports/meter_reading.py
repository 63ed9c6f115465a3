"""What reconciliation needs from a billing provider: what its meters hold, and taking one event back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol


class MeterReader(Protocol):
    """Reads meters."""

    def fetch_meter_hours(
        self, *, meter_id: str, customer_id: str, start: datetime, stop: datetime
    ) -> Mapping[datetime, int]:
        """What a meter holds for a customer in `[start, stop)`, by UTC hour; hours without any are absent.

        `start` and `stop` are whole minutes. The first and the last hour hold only what lies inside the span. An hour
        of a sum meter is its sum, of a last meter its last value.
        """
