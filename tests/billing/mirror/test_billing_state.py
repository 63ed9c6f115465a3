"""A billing state follows from what is mirrored, in whatever order it came."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from sqlalchemy.orm import Session

from dashboard.billing.errors import PaymentOverdue
from dashboard.billing.invoices.invoices import sync_invoice
from dashboard.billing.limits.quotas import reserve
from dashboard.billing.mirror.billing_state import as_json, find_state, follow_state, list_delinquent, list_stale_states
from dashboard.billing.mirror.payment_policy import PaymentPolicy
from dashboard.billing.plans.plans import PricePins
from dashboard.billing.ports.providers import SubscriptionFacts
from dashboard.billing.subscriptions.subscriptions import sync_subscription
from dashboard.models import Tenant
from tests.factories import NOON, make_tenant
from tests.invoice_facts import FINAL, invoice

POLICY = PaymentPolicy(grace=timedelta(days=7), stopped_statuses=frozenset({"unpaid", "paused"}))
NO_PINS = PricePins(plans={}, meters={})
OWED = invoice(
    status="open",
    amount_paid=0,
    amount_remaining=74,
    paid_at=None,
    next_payment_attempt=FINAL + timedelta(days=3),
    lines=(),
)
OLDER = replace(
    OWED, id="in_0", created_at=OWED.created_at - timedelta(days=30), finalized_at=FINAL - timedelta(days=30)
)
OVERDUE = SubscriptionFacts("sub_1", "cus_1", "past_due", (), None, None, NOON)


@pytest.fixture
def tenant(session: Session) -> Tenant:
    return make_tenant(session, customer="cus_1")


def follow(session: Session, tenant: Tenant, now: datetime = FINAL) -> str:
    """The access that follows."""
    follow_state(session, tenant.id, POLICY, now)
    return find_state(session, tenant.id).access


def subscribe(session: Session, status: str, subscription_id: str = "sub_1", **more: object) -> None:
    facts = replace(OVERDUE, id=subscription_id, status=status, **more)  # type: ignore[arg-type]
    sync_subscription(session, facts, NO_PINS, FINAL)


@pytest.mark.parametrize("order", list(permutations(["subscription", "older", "newer"])))
def test_the_state_is_the_same_in_any_order(session: Session, tenant: Tenant, order: tuple[str, ...]) -> None:
    for which in order:
        if which == "subscription":
            subscribe(session, "past_due")
        else:
            sync_invoice(session, OLDER if which == "older" else OWED, FINAL)
        follow(session, tenant)
    state = as_json(find_state(session, tenant.id))
    assert (state["status"], state["access"], state["amount_owed"]) == ("past_due", "read_only", 148)
    assert (state["invoice_id"], state["delinquent_since"]) == ("in_0", (FINAL - timedelta(days=30)).isoformat())
    assert state["next_payment_attempt"] == (FINAL + timedelta(days=3)).isoformat()


def test_a_past_due_subscription_without_its_invoice_yet_has_its_grace(session: Session, tenant: Tenant) -> None:
    subscribe(session, "past_due")
    assert follow(session, tenant) == "grace"
    assert follow(session, tenant, FINAL + timedelta(days=6)) == "grace"
    state = find_state(session, tenant.id)
    assert (state.delinquent_since, state.invoice_id, state.amount_owed) == (FINAL, None, 0)


def test_the_one_that_runs_counts_though_an_older_one_ended_in_debt(session: Session, tenant: Tenant) -> None:
    sync_invoice(session, OLDER, FINAL)
    subscribe(session, "canceled", ended_at=FINAL)
    assert follow(session, tenant) == "read_only"
    subscribe(session, "active", "sub_2", created_at=FINAL)
    assert follow(session, tenant) == "full"


def test_an_invoice_nobody_tried_to_collect_is_no_debt(session: Session, tenant: Tenant) -> None:
    sync_invoice(session, replace(OWED, payment_attempts=0), FINAL)
    subscribe(session, "canceled", ended_at=FINAL)
    assert follow(session, tenant) == "full"
    sync_invoice(session, replace(OWED, payment_attempts=0, due_at=FINAL - timedelta(days=1)), FINAL)
    assert follow(session, tenant) == "grace"


@pytest.mark.parametrize("status", ["void", "uncollectible", "paid"])
def test_what_is_settled_is_owed_no_more(session: Session, tenant: Tenant, status: str) -> None:
    subscribe(session, "canceled", ended_at=FINAL)
    sync_invoice(session, OLDER, FINAL)
    assert follow(session, tenant) == "read_only"
    assert [each.id for each, _ in list_delinquent(session)] == [tenant.id]
    sync_invoice(session, replace(OLDER, status=status), FINAL)
    assert list_stale_states(session) == [tenant.id]
    assert follow(session, tenant) == "full"
    assert list_delinquent(session) == []


def test_a_reservation_is_refused_to_the_second(session: Session, tenant: Tenant) -> None:
    sync_invoice(session, OWED, FINAL)
    subscribe(session, "past_due")
    follow(session, tenant)
    end = FINAL + timedelta(days=7)
    reserve(session, tenant.id, "SMS_SENT", 1, key="before", now=end - timedelta(seconds=1))
    with pytest.raises(PaymentOverdue, match="invoice in_1 is not paid"):
        reserve(session, tenant.id, "SMS_SENT", 1, key="after", now=end)


def test_another_policy_is_followed_without_a_webhook(session: Session, tenant: Tenant) -> None:
    sync_invoice(session, OLDER, FINAL)
    subscribe(session, "past_due")
    assert follow(session, tenant) == "read_only"
    follow_state(session, tenant.id, replace(POLICY, grace=timedelta(days=60)), FINAL)
    assert find_state(session, tenant.id).access == "grace"
