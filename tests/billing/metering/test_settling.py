"""What no meter can be told any more is proposed once, with its amount, and is not owed again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from dashboard.billing import metering
from dashboard.billing.plans.plans import PLANS
from dashboard.billing.plans.pricing import cost_of, tiers_as_json
from dashboard.models import Invoice, InvoiceLine, Tenant
from tests.billing.metering.steps import RecordingSender, claim, events_of, proposals_of, rollup_of, send
from tests.factories import NOON, record

START, END = NOON - timedelta(days=10), NOON + timedelta(days=20)
AFTER = END + timedelta(hours=5)


def settle(session: Session, tenant: Tenant, now: datetime) -> int:
    return metering.settle_unsendable(session, tenant.id, now)


def cost(quantity: int, usage_type: str = "SMS_SENT") -> int:
    return cost_of(tiers_as_json(PLANS["starter"].tiers[usage_type]), quantity)


def finalize(session: Session, tenant: Tenant) -> None:
    """The invoice of the tenant's period is final."""
    times = {"period_start": START, "period_end": END, "created_at": END, "finalized_at": END, "synced_at": END}
    amounts = dict.fromkeys(("subtotal", "tax", "total", "amount_due", "amount_paid", "amount_remaining"), 0)
    session.add(
        Invoice(
            tenant_id=tenant.id,
            id="in_1",
            status="paid",
            subscription_id=f"sub_{tenant.id}",
            currency="usd",
            **times,
            **amounts,
        )
    )
    session.flush()
    line = {"line_id": "il_1", "usage_type": "SMS_SENT", "quantity": 0, "amount": 0, "proration": False}
    span = {"period_start": START, "period_end": END}
    session.add(InvoiceLine(tenant_id=tenant.id, invoice_id="in_1", position=0, **line, **span))
    session.flush()


def test_a_backlog_older_than_35_days_is_proposed_and_never_sent(session: Session, tenant: Tenant) -> None:
    """the-answerai/theanswer#624: a backlog older than 35 days was refused and lost."""
    record(session, tenant, quantity=150, occurred_at=(NOON - timedelta(days=9)).isoformat())
    later = NOON + timedelta(days=30)
    assert metering.count_owed(session, later).too_old == 1
    assert claim(session, tenant, later) == 0
    assert metering.list_tenants_to_settle(session, [tenant.id], later) == [tenant.id]
    assert settle(session, tenant, later) == 1
    (proposal,) = proposals_of(session, tenant)
    assert (proposal.kind, proposal.reason, proposal.quantity) == ("invoice_item", "too_old", 150)
    assert (proposal.amount, proposal.currency) == (cost(150), "usd")
    assert proposal.amount > 0
    assert (metering.count_owed(session, later).too_old, settle(session, tenant, later)) == (0, 0)
    assert len(proposals_of(session, tenant)) == 1
    assert events_of(session, tenant) == []


def test_usage_after_the_final_invoice_is_proposed_not_sent(session: Session, tenant: Tenant) -> None:
    record(session, tenant, quantity=90)
    claim(session, tenant)
    finalize(session, tenant)
    record(session, tenant, now=AFTER, quantity=30, occurred_at=NOON.isoformat())
    assert claim(session, tenant, AFTER) == 0
    settle(session, tenant, AFTER)
    (proposal,) = proposals_of(session, tenant)
    assert (proposal.kind, proposal.reason, proposal.invoice_id) == ("invoice_item", "late", "in_1")
    assert (proposal.quantity, proposal.amount) == (30, cost(120) - cost(90))
    row = rollup_of(session, tenant)
    assert (row.claimed, row.settled) == (120, 30)


def test_a_correction_after_the_final_invoice_is_a_proposed_credit_note(session: Session, tenant: Tenant) -> None:
    wrong = record(session, tenant, quantity=400)
    claim(session, tenant)
    finalize(session, tenant)
    record(session, tenant, now=AFTER, quantity=-250, corrects_id=wrong.id)
    assert claim(session, tenant, AFTER) == 0
    settle(session, tenant, AFTER)
    (proposal,) = proposals_of(session, tenant)
    assert (proposal.kind, proposal.reason) == ("credit_note", "correction")
    assert (proposal.quantity, proposal.amount) == (250, cost(400) - cost(150))


def test_what_comes_later_still_adds_to_the_open_proposal_and_opens_another_after_it(
    session: Session, tenant: Tenant
) -> None:
    finalize(session, tenant)
    for quantity in (70, 60):
        record(session, tenant, now=AFTER, quantity=quantity, occurred_at=NOON.isoformat())
        settle(session, tenant, AFTER)
    (proposal,) = proposals_of(session, tenant)
    assert (proposal.quantity, proposal.amount) == (130, cost(130))
    proposal.decided_by, proposal.state = "staff@countinghouse.example", "accepted"
    session.flush()
    record(session, tenant, now=AFTER, quantity=5, occurred_at=NOON.isoformat())
    settle(session, tenant, AFTER)
    found = [(each.state, each.quantity, each.amount) for each in proposals_of(session, tenant)]
    assert found == [("accepted", 130, cost(130)), ("open", 5, cost(135) - cost(130))]


def test_while_the_invoice_is_a_draft_late_usage_is_told_to_the_meter(session: Session, tenant: Tenant) -> None:
    finalize(session, tenant)
    session.get_one(Invoice, (tenant.id, "in_1")).finalized_at = None
    record(session, tenant, now=AFTER, quantity=3, occurred_at=NOON.isoformat())
    assert settle(session, tenant, AFTER) == 0
    assert claim(session, tenant, AFTER) == 1


def test_a_late_reading_matters_only_if_it_is_the_last_of_the_period(session: Session, tenant: Tenant) -> None:
    def read(mb: int, at: datetime) -> None:
        level = {"usage_type": "STORAGE_USED_MB", "quantity": mb, "occurred_at": at.isoformat()}
        record(session, tenant, now=AFTER, **level)

    read(900, NOON)
    claim(session, tenant, AFTER)
    finalize(session, tenant)
    read(50_000, NOON - timedelta(hours=3))
    settle(session, tenant, AFTER)
    assert proposals_of(session, tenant) == []
    read(100_000, NOON + timedelta(hours=3))
    settle(session, tenant, AFTER)
    (proposal,) = proposals_of(session, tenant)
    assert (proposal.quantity, proposal.reason) == (99_100, "late")
    assert settle(session, tenant, AFTER) == 0


@pytest.mark.parametrize("age", [timedelta(hours=2), timedelta(hours=30)])
def test_a_correction_goes_by_adjustment_within_a_day_and_by_a_negative_delta_later(
    session: Session, tenant: Tenant, age: timedelta
) -> None:
    wrong = record(session, tenant, quantity=7)
    record(session, tenant, quantity=4)
    claim(session, tenant)
    send(session, tenant, RecordingSender())
    later = NOON + age
    record(session, tenant, now=later, quantity=-2, corrects_id=wrong.id)
    metering.ask_to_take_back(session, [tenant.id], later)
    asked = metering.list_asked(session, [tenant.id])
    sender = RecordingSender()
    for tenant_id, event_id in asked:
        # Until Stripe has answered nobody claims the hour.
        assert claim(session, tenant, later) == 0
        assert metering.take_back(session, tenant_id, event_id, sender)
    claim(session, tenant, later)
    found = [(event.state, event.value, event.sequence) for event in events_of(session, tenant)]
    if age < timedelta(days=1):
        assert found == [("canceled", 11, 1), ("pending", 9, 3)]
        assert sender.canceled == [events_of(session, tenant)[0].identifier]
    else:
        assert found == [("sent", 11, 1), ("pending", -2, 2)]
    assert rollup_of(session, tenant).claimed == 9
