"""What events about refunds, prices, a second subscription and a failed payment lead to."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from dashboard.billing.subscriptions.subscriptions import live_subscription
from dashboard.database import db
from dashboard.models import CatalogPrice, Invoice, StripeEvent, Subscription
from dashboard.wiring import unit_of_work, wiring
from tests.platform import new_tenant, set_up_stripe, work_off
from tests.sandbox.shop import FAILS_LATER
from tests.sandbox_server import SandboxServer
from tests.stripe_webhooks import (
    deliver_all,
    event,
    events_of_sandbox,
    fetches,
    price_of,
    send,
    states,
    subscribe,
)


@pytest.fixture
def tenant_id(app: Flask) -> int:
    set_up_stripe()
    return new_tenant()[0]


def test_a_refund_and_a_dispute_lead_to_the_invoice_that_was_paid(
    client: FlaskClient, tenant_id: int, sandbox: SandboxServer
) -> None:
    subscribe(tenant_id)
    deliver_all(client)
    work_off()
    v1 = wiring().stripe_client.v1
    payment = v1.payment_intents.list().data[0]
    v1.refunds.create({"payment_intent": payment.id, "amount": 500})
    invoice = db.session.scalars(select(Invoice)).one()
    before = fetches(sandbox, f"/v1/invoices/{invoice.id}")
    deliver_all(client)
    work_off()
    db.session.rollback()
    refunded = db.session.scalars(
        select(StripeEvent).where(StripeEvent.type.in_(["charge.refunded", "refund.created"]))
    )
    assert {each.state for each in refunded} == {"processed"}
    assert fetches(sandbox, f"/v1/invoices/{invoice.id}") == before + 1


def test_a_payment_without_an_invoice_is_ignored(client: FlaskClient, app: Flask) -> None:
    send(client, event("charge.refunded", "ch_none", about={"payment_intent": "pi_none"}))
    send(client, event("refund.failed", "re_none", id="evt_2", about={"charge": "ch_none", "payment_intent": None}))
    work_off()
    assert states() == {"ignored": 2}


def test_a_price_deleted_at_stripe_is_sold_no_more_and_its_subscribers_keep_their_plan(
    client: FlaskClient, tenant_id: int
) -> None:
    subscribe(tenant_id)
    deliver_all(client)
    work_off()
    gone = price_of("starter")
    with unit_of_work() as session:
        session.add(
            CatalogPrice(
                price_id="price_gone",
                product_id="prod_1",
                plan="legacy",
                interval="yearly",
                currency="usd",
                active=True,
            )
        )
    send(client, event("price.deleted", "price_gone"))
    wiring().stripe_client.v1.prices.update(gone, {"active": False})
    deliver_all(client)
    work_off()
    sold = db.session.scalars(select(CatalogPrice.price_id).where(CatalogPrice.active)).all()
    assert not {"price_gone", gone} & set(sold)
    assert live_subscription(db.session(), tenant_id).plan == "starter"  # type: ignore[union-attr]


def test_a_second_subscription_of_one_tenant_is_mirrored_and_the_newer_one_gives_the_plan(
    client: FlaskClient, tenant_id: int, sandbox: SandboxServer
) -> None:
    first = subscribe(tenant_id)
    sandbox.advance(advance_by=60)
    v1 = wiring().stripe_client.v1
    second = v1.subscriptions.create({"customer": str(first.customer), "items": [{"price": price_of("professional")}]})
    for each in reversed(events_of_sandbox()):
        send(client, each)
    work_off()
    assert set(db.session.scalars(select(Subscription.id))) == {first.id, second.id}
    live = live_subscription(db.session(), tenant_id)
    assert live is not None
    assert (live.id, live.plan) == (second.id, "professional")


def test_a_failed_first_payment_is_mirrored_as_it_is(client: FlaskClient, tenant_id: int) -> None:
    subscribe(tenant_id, card=FAILS_LATER)
    deliver_all(client)
    work_off()
    assert db.session.scalars(select(Subscription)).one().status == "incomplete"
    assert db.session.scalars(select(Invoice)).one().status == "open"
