"""What Stripe's meters hold: event summaries by the hour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from stripe import StripeClient

from dashboard.integrations.stripe.client import domain_errors

if TYPE_CHECKING:
    from stripe.params.billing import MeterEventSummaryListParams

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
PAGE = 100


class MeterReaderGateway:
    """The part of the billing provider that reads meters, by the official SDK."""

    def __init__(self, client: StripeClient) -> None:
        self._summaries = client.v1.billing.meters.event_summaries

    def fetch_meter_hours(
        self, *, meter_id: str, customer_id: str, start: datetime, stop: datetime
    ) -> Mapping[datetime, int]:
        """See `billing.ports_meter_reading`.

        Grouping by hour takes whole hours. An hour that the span cuts is asked for by itself if anything is in it.
        """
        first, last = _hour_of(start), _hour_of(stop - MINUTE) + HOUR
        found = dict(self._read(meter_id, customer_id, first, last, by_hour=True))
        for hour in {first, last - HOUR}:
            inside = max(start, hour), min(stop, hour + HOUR)
            if hour in found and inside != (hour, hour + HOUR):
                del found[hour]
                for _, value in self._read(meter_id, customer_id, *inside, by_hour=False):
                    found[hour] = value
        return found

    def _read(
        self, meter_id: str, customer_id: str, start: datetime, stop: datetime, *, by_hour: bool
    ) -> Iterator[tuple[datetime, int]]:
        wanted: MeterEventSummaryListParams = {
            "customer": customer_id,
            "start_time": int(start.timestamp()),
            "end_time": int(stop.timestamp()),
            "limit": PAGE,
        }
        if by_hour:
            wanted["value_grouping_window"] = "hour"
        with domain_errors():
            for row in self._summaries.list(meter_id, wanted).auto_paging_iter():
                yield datetime.fromtimestamp(row.start_time, UTC), int(row.aggregated_value)


def _hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
