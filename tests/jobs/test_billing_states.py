"""A tenant that stops paying: grace, then reading only, and back when it has paid, without anybody's doing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from dashboard.billing.errors import PaymentOverdue
from dashboard.billing.limits.quotas import reserve
from dashboard.billing.mirror.billing_state import find_state, list_stale_states
from dashboard.billing.outgoing_webhooks.webhook_endpoints import EVENT_TYPES, create_endpoint
from dashboard.database import db
from dashboard.jobs.billing_states import follow_restricted_states
from dashboard.jobs.schedule import sweep
from dashboard.models import BillingState, Subscription, Tenant, WebhookMessage
from dashboard.wiring import now, unit_of_work, wiring
from tests.factories import usage_body
from tests.platform import bearer, buy, deliver_webhooks, log_in, new_tenant, set_up_stripe, work_off
from tests.sandbox.shop import FAILS_LATER, VISA, give_card
from tests.sandbox_server import SandboxServer

HOUR, DAY = 3_600, 86_400
FREE, STARTER = ["calls", "two-way-texts"], ["ai-voice", "calls", "two-way-texts", "webhooks"]
TEXT = {"to": "+15557654321", "body": "Hello"}


class Debtor:
    """A tenant on Starter that can be made to owe."""

    def __init__(self, app: Flask, client: FlaskClient, sandbox: SandboxServer) -> None:
        self.app, self.client, self.sandbox = app, client, sandbox
        set_up_stripe()
        self.tenant_id, self.key = new_tenant()
        self.browser = log_in(app, self.tenant_id)
        buy(self.browser, self.tenant_id)
        deliver_webhooks(client)

    @property
    def customer(self) -> str:
        return db.session.get_one(Tenant, self.tenant_id).stripe_customer_id or ""

    def change_card(self, token: str) -> None:
        """Another card, for the customer and for the subscription that was bought with the first."""
        card = give_card(wiring().stripe_client, self.customer, token)
        subscription = db.session.scalars(select(Subscription)).one()
        if subscription.status != "canceled":
            v1 = wiring().stripe_client.v1
            v1.subscriptions.update(subscription.id, {"default_payment_method": card})

    def stop_paying(self) -> None:
        """The next renewal is declined."""
        self.change_card(FAILS_LATER)
        end = db.session.scalars(select(Subscription)).one().current_period_end
        assert end is not None
        self.sandbox.advance(advance_to=end.timestamp() + 2 * HOUR)
        deliver_webhooks(self.client)

    def pay(self) -> None:
        """Pay with a good card, as the customer does on Stripe's page."""
        self.change_card(VISA)
        v1 = wiring().stripe_client.v1
        card = v1.payment_methods.list({"customer": self.customer, "limit": 1}).data[0]
        for invoice in v1.invoices.list({"customer": self.customer, "status": "open"}).data:
            v1.invoices.pay(invoice.id or "", {"payment_method": card.id})
        deliver_webhooks(self.client)

    def state(self) -> BillingState:
        db.session.rollback()
        return db.session.get_one(BillingState, self.tenant_id)

    def send_text(self) -> tuple[int, dict[str, Any]]:
        answer = self.client.post("/api/messages/sms", json=TEXT, headers=bearer(self.key))
        return answer.status_code, answer.get_json()


@pytest.fixture
def debtor(app: Flask, client: FlaskClient, sandbox: SandboxServer) -> Debtor:
    return Debtor(app, client, sandbox)


def test_a_tenant_on_free_owes_nothing(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    state = find_state(db.session(), tenant_id)
    assert (state.plan, state.status, state.access, state.entitlements) == ("free", "none", "full", FREE)


def test_a_bought_plan_is_the_state(debtor: Debtor) -> None:
    state, subscription = debtor.state(), db.session.scalars(select(Subscription)).one()
    assert (state.plan, state.interval, state.status, state.access) == ("starter", "monthly", "active", "full")
    assert (state.period_start, state.period_end) == (
        subscription.current_period_start,
        subscription.current_period_end,
    )
    assert (state.entitlements, state.delinquent_since, state.stale_since) == (STARTER, None, None)


def test_a_declined_renewal_begins_a_grace_in_which_all_goes_on(debtor: Debtor) -> None:
    debtor.stop_paying()
    state = debtor.state()
    invoice = wiring().stripe_client.v1.invoices.retrieve(state.invoice_id or "")
    assert (state.status, state.access, state.plan) == ("past_due", "grace", "starter")
    assert (state.amount_owed, state.currency) == (invoice.amount_remaining, "usd")
    assert state.delinquent_since is not None
    assert state.delinquent_since.timestamp() == invoice.status_transitions.finalized_at
    assert state.next_payment_attempt is not None
    assert state.next_payment_attempt.timestamp() == invoice.next_payment_attempt
    assert state.read_only_at is not None
    assert (state.read_only_at - state.delinquent_since).days == 7
    assert debtor.send_text()[0] == 201
    page = debtor.browser.get(f"/tenants/{debtor.tenant_id}/usage").text
    assert "A payment failed" in page


def test_when_the_grace_is_over_sending_stops_and_recording_goes_on(debtor: Debtor) -> None:
    debtor.stop_paying()
    debtor.sandbox.advance(advance_by=8 * DAY)
    # No webhook came and no job ran: the end of the grace alone stops it.
    status, problem = debtor.send_text()
    assert (status, problem["reason"]) == (402, "payment")
    assert problem["invoice_id"] == debtor.state().invoice_id
    call = {"to": "+15557654321", "message": "Hello"}
    answer = debtor.client.post("/api/calls", json=call, headers=bearer(debtor.key))
    assert (answer.status_code, answer.get_json()["reason"]) == (402, "payment")
    with unit_of_work() as session, pytest.raises(PaymentOverdue):
        reserve(session, debtor.tenant_id, "AI_MESSAGE_GENERATED", 1, key="k", now=now())
    url = "/api/billing/usage/events"
    assert debtor.client.post(url, json=usage_body(), headers=bearer(debtor.key)).status_code == 201
    assert debtor.state().access == "grace"
    follow_restricted_states()
    assert debtor.state().access == "read_only"
    assert "Sending is stopped" in debtor.browser.get(f"/tenants/{debtor.tenant_id}/usage").text
    staff = log_in(debtor.app, staff=True).get("/staff").text
    assert "Reads only" in staff


def test_it_comes_back_when_paid_without_anybodys_doing(debtor: Debtor) -> None:
    debtor.stop_paying()
    debtor.sandbox.advance(advance_by=8 * DAY)
    follow_restricted_states()
    assert debtor.send_text()[0] == 402
    debtor.pay()
    state = debtor.state()
    assert (state.status, state.access, state.delinquent_since, state.amount_owed) == ("active", "full", None, 0)
    assert debtor.send_text()[0] == 201
    assert "Sending is stopped" not in debtor.browser.get(f"/tenants/{debtor.tenant_id}/usage").text


@pytest.mark.parametrize(
    ("dunning_end", "status", "plan"),
    [("unpaid", "unpaid", "free"), ("paused", "paused", "free"), ("canceled", "canceled", "free")],
)
def test_after_the_last_try_the_end_of_dunning_decides(
    debtor: Debtor, dunning_end: str, status: str, plan: str
) -> None:
    debtor.sandbox.post("/_sandbox/settings", {"dunning_end": dunning_end, "dunning_days": [1, 1]})
    debtor.stop_paying()
    debtor.sandbox.advance(advance_by=3 * DAY)
    deliver_webhooks(debtor.client)
    state = debtor.state()
    wanted = "grace" if status == "canceled" else "read_only"
    assert (state.status, state.plan, state.access) == (status, plan, wanted)
    assert state.amount_owed > 0
    debtor.pay()
    assert debtor.state().amount_owed == 0
    if status == "canceled":
        assert (debtor.state().status, debtor.state().access) == ("canceled", "full")


def test_a_text_sent_before_is_answered_again_though_sending_is_stopped(debtor: Debtor) -> None:
    headers = {**bearer(debtor.key), "Idempotency-Key": "welcome"}
    assert debtor.client.post("/api/messages/sms", json=TEXT, headers=headers).status_code == 201
    debtor.stop_paying()
    debtor.sandbox.advance(advance_by=8 * DAY)
    assert debtor.client.post("/api/messages/sms", json=TEXT, headers=headers).status_code == 200


def test_a_void_invoice_is_owed_no_more(debtor: Debtor) -> None:
    debtor.sandbox.post("/_sandbox/settings", {"dunning_days": [1]})
    debtor.stop_paying()
    debtor.sandbox.advance(advance_by=2 * DAY)
    deliver_webhooks(debtor.client)
    assert debtor.state().delinquent_since is not None
    wiring().stripe_client.v1.invoices.void_invoice(debtor.state().invoice_id or "")
    deliver_webhooks(debtor.client)
    state = debtor.state()
    assert (state.status, state.access, state.delinquent_since) == ("canceled", "full", None)


def test_each_change_is_announced_once(debtor: Debtor) -> None:
    with unit_of_work() as session:
        create_endpoint(
            session,
            debtor.tenant_id,
            {"url": "https://example.com/hook", "event_types": ["billing_state.changed"]},
            signing_key=wiring().settings.signing_key,
            allow_private=False,
            created_by=None,
            now=now(),
        )
    debtor.stop_paying()
    deliver_webhooks(debtor.client)
    debtor.sandbox.advance(advance_by=8 * DAY)
    follow_restricted_states()
    follow_restricted_states()
    debtor.pay()
    kind = WebhookMessage.event_type == "billing_state.changed"
    bodies = db.session.scalars(select(WebhookMessage.body).where(kind).order_by(WebhookMessage.id)).all()
    seen = [json.loads(body)["data"] for body in bodies]
    assert [(each["plan"], each["status"], each["access"]) for each in seen] == [
        ("starter", "active", "full"),
        ("starter", "past_due", "grace"),
        ("starter", "past_due", "read_only"),
        ("starter", "active", "full"),
    ]
    assert [each["previous"]["access"] for each in seen] == ["full", "full", "grace", "read_only"]
    assert "billing_state.changed" in EVENT_TYPES


def test_features_of_stripe_are_the_entitlements(debtor: Debtor) -> None:
    v1 = wiring().stripe_client.v1
    feature = v1.entitlements.features.create({"name": "Priority", "lookup_key": "priority"})
    subscription = v1.subscriptions.retrieve(db.session.scalars(select(Subscription.id)).one())
    product = str(subscription["items"].data[0].price.product)
    v1.products.features.create(product, {"entitlement_feature": feature.id})
    v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    deliver_webhooks(debtor.client)
    assert debtor.state().entitlements == sorted([*STARTER, "priority"])
    v1.subscriptions.cancel(subscription.id)
    deliver_webhooks(debtor.client)
    assert (debtor.state().plan, debtor.state().entitlements) == ("free", FREE)


def test_what_a_crash_left_stale_the_sweep_follows(debtor: Debtor) -> None:
    with unit_of_work() as session:
        state = session.get_one(BillingState, debtor.tenant_id)
        state.plan, state.stale_since = "free", now()
    sweep()
    work_off()
    assert debtor.state().plan == "starter"
    assert list_stale_states(db.session()) == []
