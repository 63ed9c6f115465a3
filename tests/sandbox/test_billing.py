"""A subscription's months at the sandbox: what is billed, when, and how the lines read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import stripe
from stripe import StripeClient

from tests.sandbox.shop import checkout, open_shop, pay, subscribe, use
from tests.sandbox_server import SandboxServer

HOUR = 3600


def invoices_of(client: StripeClient, subscription: stripe.Subscription) -> list[stripe.Invoice]:
    return client.v1.invoices.list({"subscription": subscription.id}).data


def end_of(subscription: stripe.Subscription) -> int:
    return int(subscription["items"].data[0].current_period_end)


def test_paying_on_the_hosted_page_begins_an_active_subscription_with_a_paid_invoice(client: StripeClient) -> None:
    subscription = subscribe(client, open_shop(client))
    (invoice,) = invoices_of(client, subscription)
    assert subscription.status == "active"
    assert (invoice.status, invoice.billing_reason, invoice.total) == ("paid", "subscription_create", 2900)
    assert [line.amount for line in invoice.lines.data] == [2900]


def test_a_declined_card_leaves_the_session_open(client: StripeClient) -> None:
    session = checkout(client, open_shop(client))
    answer = pay(session, number="4000 0000 0000 0002")
    assert answer.status_code == 402
    assert "declined" in answer.text
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
    assert client.v1.subscriptions.list().data == []


def test_a_month_of_usage_is_one_line_a_tier_rounded_by_itself(client: StripeClient, sandbox: SandboxServer) -> None:
    shop = open_shop(client)
    subscription = subscribe(client, shop)
    start = subscription["items"].data[0].current_period_start
    use(client, shop, 1_000, start, "a")
    use(client, shop, 31, start + HOUR // 60, "b")
    sandbox.advance(advance_to=end_of(subscription) + 60)
    draft = invoices_of(client, subscription)[0]
    assert (draft.status, draft.billing_reason) == ("draft", "subscription_cycle")
    sandbox.advance(advance_by=HOUR)
    invoice = client.v1.invoices.retrieve(draft.id)
    lines = [(line.description, line.quantity, line.amount) for line in invoice.lines.data]
    assert lines == [
        ("1 × Plan (at $29.00 / month)", 1, 2900),
        ("1000 × Credit (Tier 1 at $0.00 / month)", 1000, 0),
        ("31 × Credit (Tier 2 at $0.036 / month)", 31, 112),
    ]
    assert (invoice.status, invoice.total, invoice.amount_remaining) == ("paid", 3012, 0)
    assert invoice.lines.data[1].period.end == end_of(subscription)


def test_usage_reported_in_the_hour_of_the_draft_still_counts(client: StripeClient, sandbox: SandboxServer) -> None:
    shop = open_shop(client)
    subscription = subscribe(client, shop)
    stop = end_of(subscription)
    sandbox.advance(advance_to=stop + 60)
    use(client, shop, 7, stop - 1, "late")
    use(client, shop, 5, stop, "next period")
    sandbox.advance(advance_by=HOUR)
    invoice = invoices_of(client, subscription)[0]
    assert [line.quantity for line in invoice.lines.data] == [1, 7]


@pytest.mark.parametrize(("formula", "billed"), [("sum", 12), ("count", 2), ("last", 4)])
def test_a_meter_aggregates_by_its_formula(
    client: StripeClient, sandbox: SandboxServer, formula: str, billed: int
) -> None:
    shop = open_shop(client, formula=formula)
    subscription = subscribe(client, shop)
    start = subscription["items"].data[0].current_period_start
    use(client, shop, 4, start + 120, "second")
    use(client, shop, 8, start + 60, "first")
    sandbox.advance(advance_to=end_of(subscription) + 2 * HOUR)
    assert invoices_of(client, subscription)[0].lines.data[1].quantity == billed


def test_a_subscription_ended_with_its_period_bills_its_usage_and_is_gone(
    client: StripeClient, sandbox: SandboxServer
) -> None:
    shop = open_shop(client)
    subscription = subscribe(client, shop)
    client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    use(client, shop, 1_100, subscription["items"].data[0].current_period_start, "a")
    sandbox.advance(advance_to=end_of(subscription) + 2 * HOUR)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"
    last = invoices_of(client, subscription)[0]
    assert [(line.quantity, line.amount) for line in last.lines.data] == [(1000, 0), (100, 360)]
    assert last.status == "paid"


def test_months_keep_the_day_they_began_on(client: StripeClient, sandbox: SandboxServer) -> None:
    sandbox.post("/_sandbox/clock", {"set_to": 1_801_305_000})  # 30 January 2027
    subscription = subscribe(client, open_shop(client))
    days = []
    for _ in range(3):
        subscription = client.v1.subscriptions.retrieve(subscription.id)
        days.append(stripe_day(end_of(subscription)))
        sandbox.advance(advance_to=end_of(subscription) + 2 * HOUR)
    assert days == ["02-28", "03-30", "04-30"]


def stripe_day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%m-%d")


def test_a_repeated_identifier_is_refused_in_stripes_words(client: StripeClient) -> None:
    shop = open_shop(client)
    subscribe(client, shop)
    now = int(client.v1.customers.retrieve(shop.customer).created)
    use(client, shop, 1, now, "same")
    with pytest.raises(stripe.InvalidRequestError, match="An event already exists with identifier same"):
        use(client, shop, 1, now, "same")


@pytest.mark.parametrize(("offset", "words"), [(-36 * 86_400, "35 days"), (400, "5 minutes")])
def test_a_meter_event_out_of_its_time_is_refused(client: StripeClient, offset: int, words: str) -> None:
    shop = open_shop(client)
    now = int(client.v1.customers.retrieve(shop.customer).created)
    with pytest.raises(stripe.InvalidRequestError, match=words):
        use(client, shop, 1, now + offset, "x")


def test_summaries_add_up_by_hour(client: StripeClient) -> None:
    shop = open_shop(client)
    now = int(client.v1.customers.retrieve(shop.customer).created)
    hour = now // HOUR * HOUR
    use(client, shop, 3, hour, "a")
    use(client, shop, 4, hour - 1, "b")
    span = {"customer": shop.customer, "start_time": hour - HOUR, "end_time": hour + HOUR}
    rows = client.v1.billing.meters.event_summaries.list(shop.meter, {**span, "value_grouping_window": "hour"})  # type: ignore[typeddict-item]
    assert [(row.start_time, row.aggregated_value) for row in rows.data] == [(hour, 3.0), (hour - HOUR, 4.0)]
    with pytest.raises(stripe.InvalidRequestError, match="minute"):
        client.v1.billing.meters.event_summaries.list(shop.meter, {**span, "start_time": hour + 1})  # type: ignore[typeddict-item]
