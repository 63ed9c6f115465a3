"""Tiers at the sandbox, each amount worked out by hand."""

from __future__ import annotations

import pytest
import stripe
from stripe import StripeClient

from tests.sandbox.shop import JANUARY, Shop, end_of, give_card, invoices_of, open_shop, use
from tests.sandbox_server import SandboxServer

HOUR = 3_600
GRADUATED = [
    {"up_to": 100, "unit_amount_decimal": "5", "flat_amount": 300},
    {"up_to": 200, "unit_amount_decimal": "4"},
    {"up_to": "inf", "unit_amount_decimal": "0.3"},
]
VOLUME = [{"up_to": 100, "unit_amount": 5}, {"up_to": "inf", "unit_amount_decimal": "3.5", "flat_amount": 250}]


def bill(
    client: StripeClient, sandbox: SandboxServer, quantity: int, tiers: list[dict[str, object]], mode: str
) -> stripe.Invoice:
    """The invoice of a month with this usage."""
    sandbox.post("/_sandbox/clock", {"set_to": JANUARY})
    shop = open_shop(client)
    price = client.v1.prices.create(
        {
            "product": client.v1.products.create({"name": "Usage"}).id,
            "currency": "usd",
            "billing_scheme": "tiered",
            "tiers_mode": mode,
            "tiers": tiers,
            "recurring": {"interval": "month", "usage_type": "metered", "meter": shop.meter},
            "expand": ["tiers"],
        }
    )
    assert price.tiers is not None
    assert client.v1.prices.retrieve(price.id).to_dict().get("tiers") is None
    give_card(client, shop.customer)
    subscription = client.v1.subscriptions.create({"customer": shop.customer, "items": [{"price": price.id}]})
    if quantity:
        use(client, shop, quantity, subscription.start_date, "used")
    sandbox.advance(advance_to=end_of(subscription) + 2 * HOUR)
    return invoices_of(client, subscription)[0]


@pytest.mark.parametrize(
    ("quantity", "lines"),
    [
        (0, [(0, 0), (0, 300)]),
        (100, [(100, 500), (0, 300)]),
        (101, [(100, 500), (0, 300), (1, 4)]),
        (205, [(100, 500), (0, 300), (100, 400), (5, 2)]),  # 5 × 0.3 = 1.5, so 2
    ],
)
def test_graduated_tiers_bill_a_line_each(
    client: StripeClient, sandbox: SandboxServer, quantity: int, lines: list[tuple[int, int]]
) -> None:
    invoice = bill(client, sandbox, quantity, GRADUATED, "graduated")
    assert [(line.quantity, line.amount) for line in invoice.lines.data] == lines
    assert invoice.total == sum(amount for _, amount in lines)


@pytest.mark.parametrize(
    ("quantity", "lines"),
    [(100, [(100, 500)]), (101, [(101, 354), (0, 250)])],  # 101 × 3.5 = 353.5, so 354
)
def test_volume_tiers_bill_everything_at_one_rate(
    client: StripeClient, sandbox: SandboxServer, quantity: int, lines: list[tuple[int, int]]
) -> None:
    invoice = bill(client, sandbox, quantity, VOLUME, "volume")
    assert [(line.quantity, line.amount) for line in invoice.lines.data] == lines


def test_usage_counts_until_the_invoice_is_finalized_and_not_after(
    client: StripeClient, sandbox: SandboxServer
) -> None:
    sandbox.post("/_sandbox/clock", {"set_to": JANUARY})
    shop = open_shop(client)
    give_card(client, shop.customer)
    subscription = client.v1.subscriptions.create({"customer": shop.customer, "items": [{"price": shop.metered}]})
    stop = end_of(subscription)
    sandbox.advance(advance_to=stop + HOUR - 60)
    use(client, shop, 1_500, stop - 1, "within the hour")
    sandbox.advance(advance_to=stop + HOUR + 60)
    use(client, shop, 90, stop - 1, "too late")
    sandbox.advance(advance_to=stop + 32 * 24 * HOUR)
    february, january = invoices_of(client, subscription)
    assert [line.amount for line in january.lines.data] == [0, 1_800]
    assert [line.quantity for line in february.lines.data] == [0]


def test_a_draft_can_wait_longer(client: StripeClient, sandbox: SandboxServer) -> None:
    sandbox.post("/_sandbox/clock", {"set_to": JANUARY})
    sandbox.post("/_sandbox/settings", {"draft_seconds": 72 * HOUR})
    shop: Shop = open_shop(client)
    subscription = client.v1.subscriptions.create({"customer": shop.customer, "items": [{"price": shop.metered}]})
    sandbox.advance(advance_to=end_of(subscription) + 71 * HOUR)
    assert invoices_of(client, subscription)[0].status == "draft"


def test_with_a_time_window_only_the_last_event_of_an_hour_counts(client: StripeClient, sandbox: SandboxServer) -> None:
    sandbox.post("/_sandbox/clock", {"set_to": JANUARY})
    meter = client.v1.billing.meters.create(
        {
            "display_name": "Seats",
            "event_name": "seats",
            "default_aggregation": {"formula": "sum"},
            "event_time_window": "hour",
        }
    )
    customer = client.v1.customers.create({"name": "Ada"}).id
    for number, (moment, value) in enumerate([(0, 5), (60, 7), (HOUR, 2)]):
        payload = {"stripe_customer_id": customer, "value": str(value)}
        event = {"event_name": "seats", "payload": payload, "timestamp": JANUARY - 2 * HOUR + moment}
        client.v1.billing.meter_events.create({**event, "identifier": str(number)})
    span = {"customer": customer, "start_time": JANUARY - 2 * HOUR, "end_time": JANUARY}
    (row,) = client.v1.billing.meters.event_summaries.list(meter.id, span).data
    assert row.aggregated_value == 9
