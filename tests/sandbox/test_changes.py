"""Changes in mid-period at the sandbox. Every figure is worked out by hand: January 2027 has 31 days."""

from __future__ import annotations

import pytest
import stripe
from stripe import StripeClient

from tests.sandbox.shop import (
    DAY,
    FAILS_LATER,
    JANUARY,
    end_of,
    event_types,
    flat_price,
    give_card,
    invoices_of,
    lines_of,
    new_customer,
    open_shop,
    use,
)
from tests.sandbox_server import SandboxServer

HOUR = 3_600


@pytest.fixture
def plan(client: StripeClient, sandbox: SandboxServer) -> stripe.Subscription:
    """$31.00 a month since 1 January; it is the 11th now, so 21 of 31 days are left."""
    sandbox.post("/_sandbox/clock", {"set_to": JANUARY})
    customer, price = new_customer(client), flat_price(client, 3100)
    subscription = client.v1.subscriptions.create({"customer": customer, "items": [{"price": price}]})
    sandbox.advance(advance_to=start_of(subscription) + 10 * DAY + 1)
    return subscription


def start_of(subscription: stripe.Subscription) -> int:
    return int(subscription["items"].data[0].current_period_start)


def change(client: StripeClient, plan: stripe.Subscription, price: str, **more: object) -> stripe.Subscription:
    items = [{"id": plan["items"].data[0].id, "price": price}]
    at = start_of(plan) + 10 * DAY
    return client.v1.subscriptions.update(plan.id, {"items": items, "proration_date": at, **more})


def test_an_upgrade_is_invoiced_at_once_to_the_second(client: StripeClient, plan: stripe.Subscription) -> None:
    """3100 × 21/31 = 2100 back; 9900 × 21/31 = 6706.45, so 6706; 4606 in all."""
    told = len(event_types(client))
    changed = change(client, plan, flat_price(client, 9900), proration_behavior="always_invoice")
    invoice = invoices_of(client, changed)[0]
    assert lines_of(invoice) == [
        ("Unused time on 1 × Plan 3100 after 11 Jan 2027", 1, -2100),
        ("Remaining time on 1 × Plan 9900 after 11 Jan 2027", 1, 6706),
    ]
    assert (invoice.status, invoice.total, invoice.billing_reason) == ("paid", 4606, "subscription_update")
    details = invoice.lines.data[0].parent
    assert details is not None
    assert details.subscription_item_details is not None
    assert details.subscription_item_details.proration is True
    assert end_of(changed) == end_of(plan)
    after = [each for each in event_types(client)[told:] if not each.startswith(("product", "price"))]
    assert after[:4] == [
        "invoiceitem.created",
        "invoiceitem.created",
        "customer.subscription.updated",
        "invoice.created",
    ]


def test_prorations_may_wait_for_the_renewal(
    client: StripeClient, sandbox: SandboxServer, plan: stripe.Subscription
) -> None:
    change(client, plan, flat_price(client, 9900))
    assert len(invoices_of(client, plan)) == 1
    sandbox.advance(advance_to=end_of(plan) + 2 * HOUR)
    renewal = invoices_of(client, plan)[0]
    assert [line.amount for line in renewal.lines.data] == [9900, -2100, 6706]
    assert renewal.amount_paid == 14_506


def test_without_prorations_the_new_price_begins_with_the_next_period(
    client: StripeClient, sandbox: SandboxServer, plan: stripe.Subscription
) -> None:
    change(client, plan, flat_price(client, 9900), proration_behavior="none")
    sandbox.advance(advance_to=end_of(plan) + 2 * HOUR)
    assert [each.total for each in invoices_of(client, plan)] == [9900, 3100]


def test_a_downgrade_leaves_a_balance_that_the_next_invoice_uses(
    client: StripeClient, sandbox: SandboxServer, plan: stripe.Subscription
) -> None:
    """2100 back, 620 × 21/31 = 420 charged: 1680 for the next invoices of 620 each."""
    change(client, plan, flat_price(client, 620), proration_behavior="always_invoice")
    credit = invoices_of(client, plan)[0]
    assert (credit.total, credit.amount_due, credit.status) == (-1680, 0, "paid")
    sandbox.advance(advance_to=end_of(plan) + 2 * HOUR)
    renewal = invoices_of(client, plan)[0]
    assert (renewal.total, renewal.starting_balance, renewal.ending_balance) == (620, -1680, -1060)
    assert (renewal.amount_due, renewal.status) == (0, "paid")


def test_a_quantity_counts_and_a_price_change_sets_it_to_one(client: StripeClient, plan: stripe.Subscription) -> None:
    """Two more of 3100 for 21/31: 3 × 2100 - 2100 = 4200."""
    item, at = plan["items"].data[0].id, start_of(plan) + 10 * DAY
    more = {"proration_behavior": "always_invoice", "proration_date": at}
    changed = client.v1.subscriptions.update(plan.id, {"items": [{"id": item, "quantity": 3}], **more})
    assert invoices_of(client, plan)[0].total == 4200
    changed = change(client, plan, flat_price(client, 9900), proration_behavior="none")
    assert changed["items"].data[0].quantity == 1


def test_an_item_without_an_id_is_added(client: StripeClient, plan: stripe.Subscription) -> None:
    """3720 × 21/31 = 2520 for the rest of the month."""
    items = [{"price": flat_price(client, 3720)}]
    more = {"proration_behavior": "always_invoice", "proration_date": start_of(plan) + 10 * DAY}
    changed = client.v1.subscriptions.update(plan.id, {"items": items, **more})
    assert len(changed["items"].data) == 2
    assert {item.current_period_end for item in changed["items"].data} == {end_of(plan)}
    assert invoices_of(client, plan)[0].total == 2520


def test_a_new_cycle_charges_a_whole_period_and_returns_unused_time(
    client: StripeClient, sandbox: SandboxServer, plan: stripe.Subscription
) -> None:
    yearly = flat_price(client, 31_000, "year")
    items = [{"id": plan["items"].data[0].id, "price": yearly}]
    anchor = {"type": "now"}
    changed = client.v1.subscriptions.update(
        plan.id, {"items": items, "billing_cycle_anchor": anchor, "proration_date": start_of(plan) + 10 * DAY}
    )
    invoice = invoices_of(client, plan)[0]
    assert [line.amount for line in invoice.lines.data] == [31_000, -2100]
    assert end_of(changed) - changed.billing_cycle_anchor == 365 * DAY
    with pytest.raises(stripe.InvalidRequestError, match="must be an object"):
        client.v1.subscriptions.update(plan.id, {"billing_cycle_anchor": "now"})


def test_a_change_that_is_not_paid_waits_and_is_applied_when_it_is(
    client: StripeClient, plan: stripe.Subscription
) -> None:
    give_card(client, str(plan.customer), FAILS_LATER)
    price = flat_price(client, 9900)
    more = {"proration_behavior": "always_invoice", "payment_behavior": "pending_if_incomplete"}
    waiting = change(client, plan, price, **more)
    assert waiting.pending_update is not None
    assert (waiting.status, waiting["items"].data[0].price.unit_amount) == ("active", 3100)
    method = give_card(client, str(plan.customer))
    client.v1.invoices.pay(str(waiting.latest_invoice), {"payment_method": method})
    applied = client.v1.subscriptions.retrieve(plan.id)
    assert (applied.pending_update, applied["items"].data[0].price.id) == (None, price)
    assert "customer.subscription.pending_update_applied" in event_types(client)


def test_a_change_that_is_never_paid_lapses_after_23_hours(
    client: StripeClient, sandbox: SandboxServer, plan: stripe.Subscription
) -> None:
    give_card(client, str(plan.customer), FAILS_LATER)
    more = {"proration_behavior": "always_invoice", "payment_behavior": "pending_if_incomplete"}
    waiting = change(client, plan, flat_price(client, 9900), **more)
    sandbox.advance(advance_by=23 * HOUR + 60)
    lapsed = client.v1.subscriptions.retrieve(plan.id)
    assert (lapsed.pending_update, lapsed.status) == (None, "active")
    assert lapsed["items"].data[0].price.unit_amount == 3100
    assert client.v1.invoices.retrieve(str(waiting.latest_invoice)).status == "void"
    assert "customer.subscription.pending_update_expired" in event_types(client)


def test_a_newer_change_takes_the_place_of_one_that_waits(client: StripeClient, plan: stripe.Subscription) -> None:
    give_card(client, str(plan.customer), FAILS_LATER)
    more = {"proration_behavior": "always_invoice", "payment_behavior": "pending_if_incomplete"}
    waiting = change(client, plan, flat_price(client, 9900), **more)
    give_card(client, str(plan.customer))
    changed = change(client, plan, flat_price(client, 6200), **more)
    assert (changed.pending_update, changed["items"].data[0].price.unit_amount) == (None, 6200)
    assert client.v1.invoices.retrieve(str(waiting.latest_invoice)).status == "void"


def test_error_if_incomplete_changes_nothing(client: StripeClient, plan: stripe.Subscription) -> None:
    give_card(client, str(plan.customer), FAILS_LATER)
    more = {"proration_behavior": "always_invoice", "payment_behavior": "error_if_incomplete"}
    with pytest.raises(stripe.CardError):
        change(client, plan, flat_price(client, 9900), **more)
    assert client.v1.subscriptions.retrieve(plan.id)["items"].data[0].price.unit_amount == 3100
    assert client.v1.invoice_items.list({"pending": True}).data == []


@pytest.mark.parametrize(("behavior", "billed"), [("create_prorations", [0, 7]), ("none", [])])
def test_a_meter_that_changes_its_price_bills_the_old_one_so_far(
    client: StripeClient, sandbox: SandboxServer, behavior: str, billed: list[int]
) -> None:
    """1,002 at 1,000 free and 3.6 each: 7.2, so 7. Then 1,005 at 1,000 free and 2 each: 10."""
    sandbox.post("/_sandbox/clock", {"set_to": JANUARY})
    shop = open_shop(client)
    give_card(client, shop.customer)
    cheaper = client.v1.prices.create(
        {
            "product": client.v1.products.create({"name": "Cheaper"}).id,
            "currency": "usd",
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "tiers": [{"up_to": 1000, "unit_amount": 0}, {"up_to": "inf", "unit_amount": 2}],
            "recurring": {"interval": "month", "usage_type": "metered", "meter": shop.meter},
        }
    ).id
    subscription = client.v1.subscriptions.create({"customer": shop.customer, "items": [{"price": shop.metered}]})
    use(client, shop, 1_002, start_of(subscription), "before")
    sandbox.advance(advance_by=10 * DAY)
    items = [{"id": subscription["items"].data[0].id, "price": cheaper}]
    client.v1.subscriptions.update(subscription.id, {"items": items, "proration_behavior": behavior})
    use(client, shop, 1_005, start_of(subscription) + 10 * DAY + 300, "after")
    sandbox.advance(advance_to=end_of(subscription) + 2 * HOUR)
    renewal = invoices_of(client, subscription)[0]
    assert [line.amount for line in renewal.lines.data] == [0, 10, *billed]


def test_items_can_be_changed_one_at_a_time(client: StripeClient, plan: stripe.Subscription) -> None:
    """3720 × 21/31 = 2520 for the rest of the month."""
    at = {"proration_date": start_of(plan) + 10 * DAY, "proration_behavior": "always_invoice"}
    items = client.v1.subscription_items
    added = items.create({"subscription": plan.id, "price": flat_price(client, 3720), **at})
    assert invoices_of(client, plan)[0].total == 2520
    assert items.update(added.id, {"quantity": 2, "proration_behavior": "none"}).quantity == 2
    assert len(items.list({"subscription": plan.id}).data) == 2
    items.delete(added.id, {"proration_behavior": "none"})
    assert [each.id for each in items.list({"subscription": plan.id}).data] == [plan["items"].data[0].id]
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription_item"):
        items.retrieve(added.id)
