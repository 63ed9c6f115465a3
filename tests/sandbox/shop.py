"""A small shop at the sandbox: a customer, a plan with a metered price, a subscription bought on the hosted page."""

from __future__ import annotations

import re
from dataclasses import dataclass

import requests
import stripe
from stripe import StripeClient

CARD = {
    "email": "ada@example.com",
    "number": "4242 4242 4242 4242",
    "expiry": "12/40",
    "cvc": "123",
    "country": "US",
}


@dataclass
class Shop:
    """What the tests of a subscription start from."""

    customer: str
    meter: str
    base: str
    metered: str


def open_shop(client: StripeClient, *, formula: str = "sum", rate: str = "3.6") -> Shop:
    """1,000 units included, `rate` minor units each beyond."""
    v1 = client.v1
    meter = v1.billing.meters.create(
        {"display_name": "Credit", "event_name": "credit", "default_aggregation": {"formula": formula}}  # type: ignore[typeddict-item]
    )
    product = v1.products.create({"name": "Plan"})
    base = v1.prices.create(
        {"product": product.id, "currency": "usd", "unit_amount": 2900, "recurring": {"interval": "month"}}
    )
    metered = v1.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "tiers": [
                {"up_to": 1000, "unit_amount_decimal": "0"},  # type: ignore[typeddict-item]
                {"up_to": "inf", "unit_amount_decimal": rate},  # type: ignore[typeddict-item]
            ],
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
        }
    )
    customer = v1.customers.create({"name": "Ada", "email": "ada@example.com"})
    return Shop(customer.id, meter.id, base.id, metered.id)


def checkout(client: StripeClient, shop: Shop) -> stripe.checkout.Session:
    """An open session of the hosted page."""
    return client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": shop.customer,
            "line_items": [{"price": shop.base, "quantity": 1}, {"price": shop.metered}],
            "success_url": "http://127.0.0.1/done?session={CHECKOUT_SESSION_ID}",
            "cancel_url": "http://127.0.0.1/back",
        }
    )


def pay(session: stripe.checkout.Session, **card: str) -> requests.Response:
    """Fill in the hosted page."""
    assert session.url is not None
    page = requests.get(session.url, timeout=10)
    assert re.search(r'id="pay"', page.text)
    return requests.post(session.url, data={**CARD, **card}, timeout=10, allow_redirects=False)


def subscribe(client: StripeClient, shop: Shop) -> stripe.Subscription:
    """Buy the plan; the subscription as it is afterwards."""
    session = checkout(client, shop)
    assert pay(session).status_code == 303
    bought = client.v1.checkout.sessions.retrieve(session.id)
    assert isinstance(bought.subscription, str)
    return client.v1.subscriptions.retrieve(bought.subscription)


def use(client: StripeClient, shop: Shop, value: int, timestamp: int, identifier: str) -> None:
    """Report usage."""
    client.v1.billing.meter_events.create(
        {
            "event_name": "credit",
            "payload": {"stripe_customer_id": shop.customer, "value": str(value)},
            "timestamp": timestamp,
            "identifier": identifier,
        }
    )


JANUARY = 1_798_761_600  # 2027-01-01T00:00:00Z; January has 31 days
DAY = 86_400
VISA, FAILS_LATER, ASKS = "pm_card_visa", "pm_card_chargeCustomerFail", "pm_card_authenticationRequired"


def flat_price(client: StripeClient, amount: int, interval: str = "month", **more: object) -> str:
    """A licensed price of a product of its own."""
    product = client.v1.products.create({"name": f"Plan {amount}"})
    wanted = {"product": product.id, "currency": "usd", "unit_amount": amount, "recurring": {"interval": interval}}
    return client.v1.prices.create({**wanted, **more}).id  # type: ignore[typeddict-item]


def give_card(client: StripeClient, customer: str, token: str = VISA) -> str:
    """A test card as the customer's default."""
    method = client.v1.payment_methods.attach(token, {"customer": customer})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": method.id}})
    return method.id


def new_customer(client: StripeClient, token: str | None = VISA, **more: object) -> str:
    """A customer with a card."""
    customer = client.v1.customers.create({"name": "Ada", "email": "ada@example.com", **more})  # type: ignore[typeddict-item]
    if token:
        give_card(client, customer.id, token)
    return customer.id


def invoices_of(client: StripeClient, subscription: stripe.Subscription) -> list[stripe.Invoice]:
    """A subscription's invoices, newest first."""
    return client.v1.invoices.list({"subscription": subscription.id}).data


def end_of(subscription: stripe.Subscription) -> int:
    """The end of its first item's period."""
    return int(subscription["items"].data[0].current_period_end)


def lines_of(invoice: stripe.Invoice) -> list[tuple[str | None, int | None, int]]:
    """Words, quantity and minor units of each line."""
    return [(line.description, line.quantity, line.amount) for line in invoice.lines.data]


def event_types(client: StripeClient) -> list[str]:
    """The types of all events, oldest first."""
    return [event.type for event in client.v1.events.list({"limit": 100}).auto_paging_iter()][::-1]
