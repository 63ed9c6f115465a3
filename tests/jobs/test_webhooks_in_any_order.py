"""A whole life's webhooks in any order, repeated and lost: our tables always end as Stripe has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import stripe
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from dashboard.database import db
from dashboard.jobs.catch_up import catch_up
from dashboard.jobs.webhooks import process_stripe_events
from dashboard.models import BillingPeriod, Invoice, StripeEvent, Subscription, Tenant
from dashboard.wiring import now, unit_of_work, wiring
from tests.platform import new_tenant, set_up_stripe
from tests.sandbox.shop import FAILS_LATER, VISA, give_card
from tests.sandbox_server import SandboxServer
from tests.stripe_webhooks import events_of_sandbox, price_of, send, states

DAY = 86_400
MIRROR = (
    "invoices, subscriptions, subscription_outlooks, billing_periods, billing_states, stripe_events, stripe_catch_ups"
)


class Life:
    """One tenant's years at Stripe, lived at once and without a word to us."""

    def __init__(self, sandbox: SandboxServer, tenant_id: int) -> None:
        self.sandbox, self.tenant_id = sandbox, tenant_id
        self.client = wiring().stripe_client
        self.v1 = self.client.v1
        self.customer = self.v1.customers.create({"metadata": {"tenant_id": str(tenant_id)}}).id
        give_card(self.client, self.customer)
        self.events: dict[str, Mapping[str, Any]] = {}

    def live(self) -> None:
        """Trial, upgrade, failed payment, recovery, downgrade, refund, cancellation."""
        starter, professional = price_of("starter"), price_of("professional")
        items = [{"price": starter}]
        made = self.v1.subscriptions.create({"customer": self.customer, "items": items, "trial_period_days": 7})
        self.subscription = made.id
        self.pass_time(int(now().timestamp()) + 8 * DAY)
        self.change_to(professional, "always_invoice")
        give_card(self.client, self.customer, FAILS_LATER)
        self.pass_time(self.period_end() + 2 * 3_600)
        assert self.now().status == "past_due"
        give_card(self.client, self.customer, VISA)
        owed = self.v1.invoices.list({"subscription": self.subscription, "status": "open"}).data[0]
        self.v1.invoices.pay(str(owed.id))
        assert self.now().status == "active"
        self.change_to(starter, "none")
        self.pass_time(self.period_end() + 2 * 3_600)
        paid = self.v1.payment_intents.list({"customer": self.customer, "limit": 1}).data[0]
        self.v1.refunds.create({"payment_intent": paid.id, "amount": 100})
        self.v1.subscriptions.update(self.subscription, {"cancel_at_period_end": True})
        self.pass_time(self.period_end() + 2 * 3_600)
        assert self.now().status == "canceled"
        self.collect()

    def pass_time(self, until: int) -> None:
        """Stripe lists events for thirty days, so they are collected before each leap."""
        self.collect()
        self.sandbox.advance(advance_to=until)

    def collect(self) -> None:
        self.events |= {each["id"]: each for each in events_of_sandbox()}

    def now(self) -> stripe.Subscription:
        return self.v1.subscriptions.retrieve(self.subscription)

    def period_end(self) -> int:
        return int(self.now()["items"].data[0].current_period_end)

    def change_to(self, price: str, prorations: Any) -> None:
        item = self.now()["items"].data[0].id
        wanted = {"items": [{"id": item, "price": price}], "proration_behavior": prorations}
        self.v1.subscriptions.update(self.subscription, wanted)  # type: ignore[arg-type]


def at(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def subscription_at_stripe(life: Life) -> dict[str, Any]:
    """Field by field from Stripe's own object, by no code of ours."""
    thing = json.loads(str(life.now()))
    (item,) = thing["items"]["data"]
    return {
        "id": thing["id"],
        "status": thing["status"],
        "price_id": item["price"]["id"],
        "current_period_start": at(item["current_period_start"]),
        "current_period_end": at(item["current_period_end"]),
        "ended_at": at(thing["ended_at"]),
        "created_at": at(thing["created"]),
    }


def invoice_at_stripe(thing: Mapping[str, Any], lines: list[Mapping[str, Any]]) -> dict[str, Any]:
    moments = thing["status_transitions"]
    return {
        "id": thing["id"],
        "number": thing["number"],
        "status": thing["status"],
        "billing_reason": thing["billing_reason"],
        "currency": thing["currency"],
        "subtotal": thing["subtotal"],
        "total": thing["total"],
        "amount_due": thing["amount_due"],
        "amount_paid": thing["amount_paid"],
        "amount_remaining": thing["amount_remaining"],
        "period_start": at(thing["period_start"]),
        "period_end": at(thing["period_end"]),
        "finalized_at": at(moments["finalized_at"]),
        "paid_at": at(moments["paid_at"]),
        "payment_attempts": thing["attempt_count"],
        "lines": [
            (each["id"], each["amount"], each["quantity"], at(each["period"]["start"]), at(each["period"]["end"]))
            for each in lines
        ],
    }


def at_stripe(life: Life) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The subscription and every invoice, as Stripe holds them."""
    invoices = {}
    for each in life.v1.invoices.list({"customer": life.customer, "limit": 100}).auto_paging_iter():
        lines = life.v1.invoices.line_items.list(str(each.id), {"limit": 100})
        whole = [json.loads(str(line)) for line in lines.auto_paging_iter()]
        invoices[str(each.id)] = invoice_at_stripe(json.loads(str(each)), whole)
    return subscription_at_stripe(life), invoices


def in_our_tables(tenant_id: int, like: tuple[dict[str, Any], dict[str, dict[str, Any]]]) -> Any:
    """The same fields of our own rows."""
    db.session.rollback()
    subscription = db.session.scalars(select(Subscription).where(Subscription.tenant_id == tenant_id)).one()
    invoices = {}
    for row in db.session.scalars(select(Invoice).where(Invoice.tenant_id == tenant_id)):
        lines = [(each.line_id, each.amount, each.quantity, each.period_start, each.period_end) for each in row.lines]
        fields = next(iter(like[1].values()))
        invoices[row.id] = {name: lines if name == "lines" else getattr(row, name) for name in fields}
    return {name: getattr(subscription, name) for name in like[0]}, invoices


def forget_everything(tenant_id: int) -> None:
    with unit_of_work() as session:
        session.execute(text(f"TRUNCATE {MIRROR} CASCADE"))
        session.get_one(Tenant, tenant_id).stripe_customer_id = None


def test_a_whole_life_ends_as_stripe_has_it_whatever_came_in_which_order(
    app: Flask, client: FlaskClient, sandbox: SandboxServer
) -> None:
    set_up_stripe()
    tenant_id, _ = new_tenant()
    life = Life(sandbox, tenant_id)
    began = now()
    life.live()
    events = list(life.events.values())
    types = {each["type"] for each in events}
    assert {"invoice.payment_failed", "invoice.paid", "charge.refunded", "customer.subscription.deleted"} <= types
    expected = at_stripe(life)
    assert len(expected[1]) >= 5

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.data())
    def end_is_always_the_same(data: st.DataObject) -> None:
        forget_everything(tenant_id)
        lost = data.draw(st.sets(st.integers(0, len(events) - 1)), label="lost")
        arrived = [n for n in range(len(events)) if n not in lost]
        repeats = data.draw(st.lists(st.sampled_from(arrived), max_size=20) if arrived else st.just([]), label="again")
        order = data.draw(st.permutations(arrived + repeats), label="order")
        pauses = data.draw(st.sets(st.integers(0, len(order)), max_size=4), label="the worker comes in between at")
        for place, n in enumerate(order):
            assert send(client, events[n]) == 200
            if place in pauses:
                process_stripe_events()
        # Stripe lists thirty days, and this life is longer: what is older must have arrived.
        for n in lost:
            if events[n]["created"] < now().timestamp() - 29 * DAY:
                assert send(client, events[n]) == 200
        catch_up(began)
        process_stripe_events()
        assert in_our_tables(tenant_id, expected) == expected
        assert set(states()) <= {"processed", "ignored"}
        assert db.session.get_one(Tenant, tenant_id).stripe_customer_id == life.customer
        known = db.session.scalars(select(BillingPeriod).where(BillingPeriod.tenant_id == tenant_id)).all()
        assert expected[0]["current_period_start"] in {period.starts_at for period in known}
        assert db.session.query(StripeEvent).count() <= len(events)

    end_is_always_the_same()
