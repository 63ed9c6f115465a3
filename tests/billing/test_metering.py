"""Claiming and sending: every unit once, whatever fails in between."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from dashboard.billing import metering
from dashboard.billing.ports import ProviderRefused, ProviderUnavailable
from dashboard.models import MeterEvent, Tenant
from tests.factories import NOON, make_meters, make_period, make_tenant, record


class RecordingSender:
    """A meter sender that keeps what it was given, and answers or fails as it is told."""

    def __init__(self, *outcomes: bool | Exception) -> None:
        self.outcomes = list(outcomes)
        self.sent: list[tuple[str, str, str, datetime]] = []

    def send_meter_event(
        self, *, event_name: str, payload: Mapping[str, str], identifier: str, timestamp: datetime
    ) -> bool:
        outcome = self.outcomes.pop(0) if self.outcomes else True
        if isinstance(outcome, Exception):
            raise outcome
        self.sent.append((event_name, payload["value"], identifier, timestamp))
        return outcome


@pytest.fixture
def tenant(session: Session) -> Tenant:
    """A subscribed tenant."""
    make_meters(session)
    tenant = make_tenant(session, customer="cus_1")
    make_period(session, tenant)
    return tenant


def events(session: Session, tenant: Tenant) -> list[MeterEvent]:
    rows = select(MeterEvent).where(MeterEvent.tenant_id == tenant.id).order_by(MeterEvent.id)
    return list(session.scalars(rows.execution_options(populate_existing=True)))


def test_a_claim_freezes_the_delta_of_each_hour(session: Session, tenant: Tenant) -> None:
    record(session, tenant, quantity=3, occurred_at="2026-06-15T10:30:00Z")
    record(session, tenant, quantity=4, occurred_at="2026-06-15T10:40:00Z")
    record(session, tenant, quantity=9, usage_type="CAMPAIGN_LAUNCHED")
    assert metering.list_due_tenants(session, NOON) == [tenant.id]
    assert metering.claim_meter_events(session, tenant.id, NOON) == 1
    (event,) = events(session, tenant)
    assert event.payload == {"stripe_customer_id": "cus_1", "value": "7"}
    assert event.timestamp == NOON.replace(hour=10)
    assert metering.list_due_tenants(session, NOON) == []


def test_a_second_claim_takes_only_what_came_since(session: Session, tenant: Tenant) -> None:
    record(session, tenant, quantity=3)
    metering.claim_meter_events(session, tenant.id, NOON)
    record(session, tenant, quantity=2)
    metering.claim_meter_events(session, tenant.id, NOON)
    assert [event.value for event in events(session, tenant)] == [3, 2]
    assert len({event.identifier for event in events(session, tenant)}) == 2
    assert metering.claim_meter_events(session, tenant.id, NOON) == 0


def test_a_correction_after_the_claim_is_claimed_as_a_negative_delta(session: Session, tenant: Tenant) -> None:
    wrong = record(session, tenant, quantity=5)
    metering.claim_meter_events(session, tenant.id, NOON)
    record(session, tenant, quantity=-2, corrects_id=wrong.id)
    metering.claim_meter_events(session, tenant.id, NOON)
    assert [event.value for event in events(session, tenant)] == [5, -2]


def test_a_level_is_claimed_as_its_reading_at_its_time(session: Session, tenant: Tenant) -> None:
    for minute, value in ((10, 50), (20, 0)):
        record(
            session,
            tenant,
            usage_type="STORAGE_USED_MB",
            quantity=value,
            occurred_at=f"2026-06-15T11:{minute}:00Z",
        )
        metering.claim_meter_events(session, tenant.id, NOON)
    assert [(event.value, event.timestamp.minute) for event in events(session, tenant)] == [(50, 10), (0, 20)]


def test_usage_outside_any_subscribed_period_is_not_claimed(session: Session, tenant: Tenant) -> None:
    record(session, tenant, occurred_at=(NOON - timedelta(days=11)).isoformat())
    assert metering.list_due_tenants(session, NOON) == []
    assert metering.claim_meter_events(session, tenant.id, NOON) == 0


def test_usage_older_than_stripe_accepts_is_counted_not_claimed(session: Session, tenant: Tenant) -> None:
    record(session, tenant, occurred_at=(NOON - timedelta(days=9)).isoformat())
    later = NOON + timedelta(days=30)
    assert metering.claim_meter_events(session, tenant.id, later) == 0
    owed = metering.count_owed(session, later)
    assert (owed.claimable, owed.too_old) == (0, 1)


def test_a_moved_bucket_is_taken_back_and_claimed_anew(session: Session, tenant: Tenant) -> None:
    record(session, tenant, quantity=1, occurred_at="2026-06-15T10:10:00Z")
    record(session, tenant, quantity=6, occurred_at="2026-06-15T10:50:00Z")
    metering.claim_meter_events(session, tenant.id, NOON)
    make_period(session, tenant, NOON.replace(hour=10, minute=30), NOON + timedelta(days=30))
    metering.claim_meter_events(session, tenant.id, NOON)
    found = [(event.value, event.bucket_start.minute) for event in events(session, tenant)]
    assert found == [(7, 0), (-6, 0), (6, 30)]


def test_what_was_sent_is_marked_and_not_sent_again(session: Session, tenant: Tenant) -> None:
    record(session, tenant, quantity=3)
    metering.claim_meter_events(session, tenant.id, NOON)
    sender = RecordingSender()
    sent = metering.send_meter_events(session, tenant.id, sender, NOON)
    assert sent == metering.Sent(new=1)
    assert sender.sent[0][:2] == ("sms_sent", "3")
    assert metering.send_meter_events(session, tenant.id, sender, NOON) is None


def test_a_duplicate_identifier_counts_as_delivered(session: Session, tenant: Tenant) -> None:
    record(session, tenant)
    metering.claim_meter_events(session, tenant.id, NOON)
    sent = metering.send_meter_events(session, tenant.id, RecordingSender(False), NOON)
    assert sent == metering.Sent(duplicates=1)
    (event,) = events(session, tenant)
    assert (event.state, event.duplicate) == ("sent", True)


def test_a_refused_event_keeps_its_reason_and_the_rest_goes_on(session: Session, tenant: Tenant) -> None:
    record(session, tenant)
    record(session, tenant, usage_type="AI_MESSAGE_GENERATED")
    metering.claim_meter_events(session, tenant.id, NOON)
    refusal = ProviderRefused("the meter is archived")
    sent = metering.send_meter_events(session, tenant.id, RecordingSender(refusal), NOON)
    assert sent == metering.Sent(new=1, rejected=1)
    assert [(event.state, event.error) for event in events(session, tenant)] == [
        ("rejected", "the meter is archived"),
        ("sent", None),
    ]


def test_an_outage_leaves_the_rest_pending_with_the_same_identifier(session: Session, tenant: Tenant) -> None:
    record(session, tenant)
    record(session, tenant, usage_type="AI_MESSAGE_GENERATED")
    metering.claim_meter_events(session, tenant.id, NOON)
    before = [event.identifier for event in events(session, tenant)]
    sent = metering.send_meter_events(
        session, tenant.id, RecordingSender(True, ProviderUnavailable("Stripe: no answer")), NOON
    )
    assert sent == metering.Sent(new=1, unavailable="Stripe: no answer")
    assert [event.state for event in events(session, tenant)] == ["sent", "pending"]
    again = RecordingSender()
    metering.send_meter_events(session, tenant.id, again, NOON)
    assert [identifier for _, _, identifier, _ in again.sent] == before[1:]


def test_the_database_refuses_to_change_a_frozen_event(session: Session, tenant: Tenant) -> None:
    record(session, tenant)
    metering.claim_meter_events(session, tenant.id, NOON)
    with pytest.raises(DBAPIError, match="never change"):
        session.execute(text("""UPDATE meter_events SET payload = '{"value": "0"}'"""))
