"""A meter read by the hour through our gateway, for spans that begin and end anywhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import stripe
from stripe import StripeClient

from dashboard.integrations.stripe.meter_reader import MeterReaderGateway
from tests.sandbox.shop import open_shop, use

HOUR = timedelta(hours=1)


def test_a_span_that_cuts_hours_holds_only_what_lies_inside(client: StripeClient) -> None:
    shop = open_shop(client)
    now = datetime.fromtimestamp(client.v1.customers.retrieve(shop.customer).created, UTC)
    hour = now.replace(minute=0, second=0, microsecond=0) - 200 * HOUR
    for n in range(130):  # more than a page of hours
        use(client, shop, n + 1, int((hour + n * HOUR).timestamp()), f"start-{n}")
    use(client, shop, 500, int((hour + timedelta(minutes=31)).timestamp()), "inside")
    use(client, shop, 7_000, int((hour + 129 * HOUR + timedelta(minutes=20)).timestamp()), "outside")
    found = MeterReaderGateway(client).fetch_meter_hours(
        meter_id=shop.meter,
        customer_id=shop.customer,
        start=hour + timedelta(minutes=30),
        stop=hour + 129 * HOUR + timedelta(minutes=20),
    )
    assert found[hour] == 500
    assert found[hour + HOUR] == 2
    assert found[hour + 129 * HOUR] == 130
    assert len(found) == 130


@pytest.mark.parametrize(("first", "last", "expected"), [(0, 10, 0), (5, 25, 2), (20, 60, 2), (0, 60, 2)])
def test_a_span_within_an_hour(client: StripeClient, first: int, last: int, expected: int) -> None:
    shop = open_shop(client)
    hour = datetime.fromtimestamp(client.v1.customers.retrieve(shop.customer).created, UTC) - HOUR
    hour = hour.replace(minute=0, second=0, microsecond=0)
    use(client, shop, 2, int((hour + timedelta(minutes=20)).timestamp()), "one")
    found = MeterReaderGateway(client).fetch_meter_hours(
        meter_id=shop.meter,
        customer_id=shop.customer,
        start=hour + timedelta(minutes=first),
        stop=hour + timedelta(minutes=last),
    )
    assert found.get(hour, 0) == expected


def test_grouping_by_hour_takes_whole_hours(client: StripeClient) -> None:
    shop = open_shop(client)
    span = {"customer": shop.customer, "start_time": 1_800_000_060, "end_time": 1_800_003_600}
    with pytest.raises(stripe.InvalidRequestError, match="hour boundaries"):
        client.v1.billing.meters.event_summaries.list(shop.meter, {**span, "value_grouping_window": "hour"})  # type: ignore[typeddict-item]
