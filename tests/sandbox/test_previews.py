"""`invoices.create_preview`: what will be billed, without billing it."""

from __future__ import annotations

import pytest
import stripe
from stripe import StripeClient

from tests.sandbox.shop import (
    DAY,
    JANUARY,
    Shop,
    end_of,
    flat_price,
    give_card,
    invoices_of,
    new_customer,
    open_shop,
    use,
)
from tests.sandbox_server import SandboxServer

HOUR = 3_600


@pytest.fixture
def shop(client: StripeClient, sandbox: SandboxServer) -> Shop:
    sandbox.post("/_sandbox/clock", {"set_to": JANUARY})
    shop = open_shop(client)
    give_card(client, shop.customer)
    return shop


@pytest.fixture
def running(client: StripeClient, sandbox: SandboxServer, shop: Shop) -> stripe.Subscription:
    """$31.00 a month and usage, on its eleventh day."""
    items = [{"price": flat_price(client, 3100)}, {"price": shop.metered}]
    running = client.v1.subscriptions.create({"customer": shop.customer, "items": items})
    use(client, shop, 1_050, running.start_date, "used")
    sandbox.advance(advance_to=running.start_date + 10 * DAY + 1)
    return running


def test_the_next_invoice_is_shown_with_the_usage_so_far(client: StripeClient, running: stripe.Subscription) -> None:
    told = len(client.v1.events.list({"limit": 100}).data)
    preview = client.v1.invoices.create_preview({"subscription": running.id})
    assert [line.amount for line in preview.lines.data] == [3100, 0, 180]
    assert (preview.billing_reason, preview.status) == ("upcoming", "draft")
    assert preview.period_end == end_of(running)
    assert len(invoices_of(client, running)) == 1
    assert len(client.v1.events.list({"limit": 100}).data) == told
    assert end_of(client.v1.subscriptions.retrieve(running.id)) == end_of(running)


def test_a_change_costs_what_its_preview_said(client: StripeClient, running: stripe.Subscription) -> None:
    items = [{"id": running["items"].data[0].id, "price": flat_price(client, 9900)}]
    how = {"items": items, "proration_behavior": "always_invoice", "proration_date": running.start_date + 10 * DAY}
    preview = client.v1.invoices.create_preview({"subscription": running.id, "subscription_details": how})
    assert [line.amount for line in preview.lines.data] == [-2100, 6706]
    assert (preview.amount_due, preview.amount_remaining, preview.amount_paid) == (4606, 4606, 0)
    client.v1.subscriptions.update(running.id, how)
    assert invoices_of(client, running)[0].total == preview.total == 4606


def test_prorations_that_wait_are_shown_on_the_renewal(client: StripeClient, running: stripe.Subscription) -> None:
    items = [{"id": running["items"].data[0].id, "price": flat_price(client, 9900)}]
    how = {"items": items, "proration_date": running.start_date + 10 * DAY}
    preview = client.v1.invoices.create_preview({"subscription": running.id, "subscription_details": how})
    assert [line.amount for line in preview.lines.data] == [9900, 0, 180, -2100, 6706]


def test_a_new_subscription_can_be_priced(client: StripeClient, shop: Shop) -> None:
    coupon = client.v1.coupons.create({"percent_off": 10, "duration": "once"})
    preview = client.v1.invoices.create_preview(
        {
            "customer": shop.customer,
            "subscription_details": {"items": [{"price": shop.base}]},
            "discounts": [{"coupon": coupon.id}],
        }
    )
    assert (preview.subtotal, preview.total) == (2900, 2610)
    assert client.v1.subscriptions.list({"status": "all"}).data == []
    assert client.v1.coupons.retrieve(coupon.id).times_redeemed == 0


def test_the_last_invoice_of_an_end_now_is_shown(client: StripeClient, running: stripe.Subscription) -> None:
    how = {"cancel_now": True, "proration_behavior": "none"}
    preview = client.v1.invoices.create_preview({"subscription": running.id, "subscription_details": how})
    assert [line.amount for line in preview.lines.data] == [0, 180]


def test_an_ended_subscription_has_no_next_invoice(client: StripeClient, running: stripe.Subscription) -> None:
    client.v1.subscriptions.cancel(running.id)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        client.v1.invoices.create_preview({"subscription": running.id})
    assert refusal.value.code == "invoice_upcoming_none"


def test_a_renewal_is_told_a_week_ahead_without_an_id(
    client: StripeClient, sandbox: SandboxServer, running: stripe.Subscription
) -> None:
    sandbox.advance(advance_to=end_of(running) - 6 * DAY)
    (event,) = client.v1.events.list({"type": "invoice.upcoming"}).data
    assert "id" not in event.data.object
    assert event.data.object["total"] == 3280
    sandbox.advance(advance_to=end_of(running) + 2 * HOUR)
    assert invoices_of(client, running)[0].total == 3280


def test_a_preview_of_many_lines_is_read_page_by_page(client: StripeClient) -> None:
    customer = new_customer(client)
    running = client.v1.subscriptions.create({"customer": customer, "items": [{"price": flat_price(client, 900)}]})
    for n in range(12):
        client.v1.invoice_items.create({"customer": customer, "amount": 100 + n, "currency": "usd"})
    preview = client.v1.invoices.create_preview({"subscription": running.id})
    lines = list(preview.lines.auto_paging_iter())
    assert (len(preview.lines.data), len(lines)) == (10, 13)
    assert sum(line.amount for line in lines) == preview.subtotal
