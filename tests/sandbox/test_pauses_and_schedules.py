"""Subscriptions that rest, and plans that change at a period's end."""

from __future__ import annotations

import pytest
import stripe
from stripe import StripeClient

from tests.sandbox.shop import (
    DAY,
    FAILS_LATER,
    JANUARY,
    Shop,
    end_of,
    event_types,
    flat_price,
    give_card,
    invoices_of,
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
def running(client: StripeClient, shop: Shop) -> stripe.Subscription:
    """$31.00 a month and usage."""
    items = [{"price": flat_price(client, 3100)}, {"price": shop.metered}]
    return client.v1.subscriptions.create({"customer": shop.customer, "items": items})


def test_a_pause_credits_unused_time_and_bills_usage(
    client: StripeClient, sandbox: SandboxServer, shop: Shop, running: stripe.Subscription
) -> None:
    """21 of 31 days unused: 2100 back; 1,050 used: 50 × 3.6 = 180."""
    use(client, shop, 1_050, running.start_date, "used")
    sandbox.advance(advance_to=running.start_date + 10 * DAY)
    paused = client.v1.subscriptions.pause(running.id, {"type": "subscription", "invoicing_behavior": "invoice"})
    assert paused.status == "paused"
    invoice = invoices_of(client, running)[0]
    assert abs(invoice.lines.data[0].amount + 2100) <= 1
    assert [line.amount for line in invoice.lines.data[1:]] == [0, 180]
    assert event_types(client).count("customer.subscription.paused") == 1
    sandbox.advance(advance_by=60 * DAY)
    assert len(invoices_of(client, running)) == 2


def test_a_resumed_subscription_begins_a_new_period(
    client: StripeClient, sandbox: SandboxServer, running: stripe.Subscription
) -> None:
    client.v1.subscriptions.pause(running.id, {"type": "subscription"})
    sandbox.advance(advance_by=60 * DAY)
    resumed = client.v1.subscriptions.resume(running.id, {"payment_behavior": "resume_on_payment_success"})
    assert resumed.status == "active"
    assert resumed.billing_cycle_anchor > running.billing_cycle_anchor + 59 * DAY
    assert end_of(resumed) > resumed.billing_cycle_anchor
    assert "customer.subscription.resumed" in event_types(client)


def test_resuming_on_an_attempt_does_not_charge(client: StripeClient, running: stripe.Subscription) -> None:
    client.v1.subscriptions.pause(running.id, {"bill_for": {"unused_time_from": {"type": "none"}}})
    resumed = client.v1.subscriptions.resume(running.id, {"payment_behavior": "resume_on_payment_attempt"})
    invoice = invoices_of(client, running)[0]
    assert (resumed.status, invoice.status, invoice.attempt_count) == ("active", "open", 0)


def test_resuming_on_success_waits_for_the_payment(
    client: StripeClient, sandbox: SandboxServer, shop: Shop, running: stripe.Subscription
) -> None:
    client.v1.subscriptions.pause(running.id, {"bill_for": {"unused_time_from": {"type": "none"}}})
    sandbox.advance(advance_by=40 * DAY)
    give_card(client, shop.customer, FAILS_LATER)
    waiting = client.v1.subscriptions.resume(running.id, {"payment_behavior": "resume_on_payment_success"})
    assert waiting.status == "paused"
    method = give_card(client, shop.customer)
    client.v1.invoices.pay(str(waiting.latest_invoice), {"payment_method": method})
    assert client.v1.subscriptions.retrieve(running.id).status == "active"


def test_a_subscription_in_trial_cannot_be_paused(client: StripeClient, shop: Shop) -> None:
    items = [{"price": shop.base}]
    trial = client.v1.subscriptions.create({"customer": shop.customer, "items": items, "trial_period_days": 7})
    with pytest.raises(stripe.InvalidRequestError, match="trialing"):
        client.v1.subscriptions.pause(trial.id)


def downgrade(
    client: StripeClient, running: stripe.Subscription, price: str, **more: object
) -> stripe.SubscriptionSchedule:
    """The current phase until the item's end, then the new price."""
    schedule = client.v1.subscription_schedules.create({"from_subscription": running.id})
    current = schedule.phases[0]
    kept = [
        {"price": str(item.price), **({"quantity": item.quantity} if item.quantity else {})} for item in current.items
    ]
    phases = [
        {"items": kept, "start_date": current.start_date, "end_date": current.end_date},
        {"items": [{"price": price, "quantity": 1}, kept[1]], "duration": {"interval": "month"}},
    ]
    return client.v1.subscription_schedules.update(schedule.id, {"phases": phases, **more})


def test_a_downgrade_takes_effect_with_the_next_period(
    client: StripeClient, sandbox: SandboxServer, shop: Shop, running: stripe.Subscription
) -> None:
    cheaper = flat_price(client, 1000)
    schedule = downgrade(client, running, cheaper, end_behavior="release")
    use(client, shop, 1_050, running.start_date, "used")
    assert client.v1.subscriptions.retrieve(running.id).schedule == schedule.id
    sandbox.advance(advance_to=end_of(running) + 2 * HOUR)
    changed = client.v1.subscriptions.retrieve(running.id)
    assert {item.id for item in changed["items"].data} == {item.id for item in running["items"].data}
    assert [line.amount for line in invoices_of(client, running)[0].lines.data] == [1000, 0, 180]
    sandbox.advance(advance_to=end_of(changed) + 2 * HOUR)
    schedule = client.v1.subscription_schedules.retrieve(schedule.id)
    assert (schedule.status, schedule.released_subscription) == ("released", running.id)
    changed = client.v1.subscriptions.retrieve(running.id)
    assert (changed.schedule, changed.status) == (None, "active")


def test_a_schedule_can_be_released_before_it_acts(
    client: StripeClient, sandbox: SandboxServer, running: stripe.Subscription
) -> None:
    schedule = downgrade(client, running, flat_price(client, 1000))
    with pytest.raises(stripe.InvalidRequestError, match="managed by the subscription schedule"):
        client.v1.subscriptions.update(running.id, {"cancel_at_period_end": True})
    assert client.v1.subscription_schedules.release(schedule.id).status == "released"
    sandbox.advance(advance_to=end_of(running) + 2 * HOUR)
    assert invoices_of(client, running)[0].lines.data[0].amount == 3100


def test_a_schedule_may_end_the_subscription(
    client: StripeClient, sandbox: SandboxServer, running: stripe.Subscription
) -> None:
    schedule = downgrade(client, running, flat_price(client, 1000), end_behavior="cancel")
    sandbox.advance(advance_by=63 * DAY)
    assert client.v1.subscriptions.retrieve(running.id).status == "canceled"
    assert client.v1.subscription_schedules.retrieve(schedule.id).status == "completed"


def test_a_canceled_schedule_cancels_its_subscription(client: StripeClient, running: stripe.Subscription) -> None:
    schedule = client.v1.subscription_schedules.create({"from_subscription": running.id})
    assert client.v1.subscription_schedules.cancel(schedule.id).status == "canceled"
    assert client.v1.subscriptions.retrieve(running.id).status == "canceled"
