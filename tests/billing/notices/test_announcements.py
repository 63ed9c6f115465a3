"""What tenants hear of subscriptions and invoices: real changes, each once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.invoices.invoices import sync_invoice
from dashboard.billing.plans.plans import PricePins
from dashboard.billing.ports.invoices import InvoiceFacts
from dashboard.billing.ports.providers import SubscriptionFacts
from dashboard.billing.subscriptions.subscriptions import sync_subscription
from dashboard.models import Invoice, Tenant, WebhookMessage
from tests.factories import NOON, make_tenant

NO_PINS = PricePins(plans={}, meters={})
DRAFT = InvoiceFacts(
    id="in_1",
    customer_id="cus_told",
    number=None,
    status="draft",
    billing_reason="subscription_cycle",
    subscription_id=None,
    currency="usd",
    subtotal=2_900,
    tax=0,
    total=2_900,
    amount_due=2_900,
    amount_paid=0,
    amount_remaining=2_900,
    customer_name="Ada",
    hosted_invoice_url=None,
    invoice_pdf=None,
    period_start=NOON,
    period_end=NOON + timedelta(days=30),
    created_at=NOON,
    due_at=None,
    finalized_at=None,
    paid_at=None,
    payment_attempts=0,
    lines=(),
)
OPEN = replace(DRAFT, status="open", finalized_at=NOON)
PAID = replace(OPEN, status="paid", paid_at=NOON, amount_paid=2_900, amount_remaining=0)


@pytest.fixture
def tenant(session: Session) -> Tenant:
    return make_tenant(session, customer="cus_told")


def told(session: Session, tenant: Tenant) -> list[str]:
    messages = select(WebhookMessage.event_type).where(WebhookMessage.tenant_id == tenant.id)
    return [kind.removeprefix("invoice.") for kind in session.scalars(messages.order_by(WebhookMessage.id))]


def test_an_invoices_steps_are_told_as_they_come(session: Session, tenant: Tenant) -> None:
    for facts in (DRAFT, DRAFT, OPEN, OPEN, PAID, PAID):
        sync_invoice(session, facts, NOON)
    assert told(session, tenant) == ["created", "finalized", "paid"]


def test_an_invoice_first_seen_paid_tells_all_its_steps(session: Session, tenant: Tenant) -> None:
    sync_invoice(session, replace(PAID, payment_attempts=1), NOON)
    assert told(session, tenant) == ["created", "finalized", "paid"]


def test_each_failed_attempt_is_told_and_the_successful_one_is_not(session: Session, tenant: Tenant) -> None:
    for facts in (OPEN, replace(OPEN, payment_attempts=1), replace(OPEN, payment_attempts=1)):
        sync_invoice(session, facts, NOON)
    sync_invoice(session, replace(OPEN, payment_attempts=2), NOON)
    sync_invoice(session, replace(PAID, payment_attempts=3), NOON)
    assert told(session, tenant) == ["created", "finalized", "payment_failed", "payment_failed", "paid"]


def test_attempts_from_before_they_were_kept_are_not_told(session: Session, tenant: Tenant) -> None:
    sync_invoice(session, OPEN, NOON)
    session.get_one(Invoice, (tenant.id, "in_1")).payment_attempts = None
    sync_invoice(session, replace(OPEN, payment_attempts=2), NOON)
    sync_invoice(session, replace(OPEN, payment_attempts=3), NOON)
    assert told(session, tenant) == ["created", "finalized", "payment_failed"]


def test_a_subscription_is_told_when_it_changes_and_when_it_changes_back(session: Session, tenant: Tenant) -> None:
    facts = SubscriptionFacts("sub_1", "cus_told", "active", (), None, None, NOON)
    for hour, status in enumerate(("active", "active", "past_due", "past_due", "active")):
        sync_subscription(session, replace(facts, status=status), NO_PINS, NOON + timedelta(hours=hour))
    bodies = session.scalars(
        select(WebhookMessage.body).where(WebhookMessage.tenant_id == tenant.id).order_by(WebhookMessage.id)
    )
    seen = [json.loads(body)["data"] for body in bodies]
    assert [each["status"] for each in seen] == ["active", "past_due", "active"]
    assert [each["previous"] and each["previous"]["status"] for each in seen] == [None, "active", "past_due"]
