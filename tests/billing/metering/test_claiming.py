"""Claiming: every unit once, in the right bucket, whatever happens meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from dashboard.billing import metering
from dashboard.billing.metering.claiming import MOST_VALUE
from dashboard.models import Tenant
from tests.billing.metering.steps import claim, events_of
from tests.factories import NOON, make_period, make_tenant, record


def test_a_claim_freezes_the_delta_of_each_hour(session: Session, tenant: Tenant) -> None:
    record(session, tenant, quantity=3, occurred_at="2026-06-15T10:30:00Z")
    record(session, tenant, quantity=4, occurred_at="2026-06-15T10:40:00Z")
    record(session, tenant, quantity=9, usage_type="CAMPAIGN_LAUNCHED")
    assert metering.list_due_tenants(session, NOON) == [tenant.id]
    assert claim(session, tenant) == 1
    (event,) = events_of(session, tenant)
    assert event.payload == {"stripe_customer_id": "cus_1", "value": "7"}
    assert event.timestamp == NOON.replace(hour=10)
    assert metering.list_due_tenants(session, NOON) == []


def test_an_identifier_says_customer_tenant_type_bucket_and_sequence(session: Session, tenant: Tenant) -> None:
    record(session, tenant)
    claim(session, tenant)
    (event,) = events_of(session, tenant)
    assert event.identifier == f"cus_1-{tenant.id}-SMS_SENT-{int(NOON.timestamp())}-1"


def test_a_second_claim_takes_only_what_came_since(session: Session, tenant: Tenant) -> None:
    record(session, tenant, quantity=3)
    claim(session, tenant)
    record(session, tenant, quantity=2)
    claim(session, tenant)
    assert [event.value for event in events_of(session, tenant)] == [3, 2]
    assert len({event.identifier for event in events_of(session, tenant)}) == 2
    assert claim(session, tenant) == 0


def test_many_tenants_are_claimed_in_one_chunk_and_the_rest_in_the_next(session: Session, tenant: Tenant) -> None:
    tenants = [tenant]
    for n in range(4):
        other = make_tenant(session, customer=f"cus_more_{n}")
        make_period(session, other)
        tenants.append(other)
    for each in tenants:
        record(session, each, quantity=2)
        record(session, each, quantity=5, usage_type="AI_MESSAGE_GENERATED")
    ids = [each.id for each in tenants]
    first = metering.claim_chunk(session, ids, NOON, rows=7)
    second = metering.claim_chunk(session, ids, NOON, rows=7)
    assert [(chunk.events, chunk.has_more) for chunk in (first, second)] == [(7, True), (3, False)]
    assert {tuple(event.value for event in events_of(session, each)) for each in tenants} <= {(2, 5), (5, 2)}


def test_a_tenant_without_a_customer_waits_and_blocks_nobody(session: Session, tenant: Tenant) -> None:
    waiting = make_tenant(session)
    make_period(session, waiting)
    for each in (waiting, tenant):
        record(session, each)
    assert metering.claim_chunk(session, [waiting.id, tenant.id], NOON).events == 1
    waiting.stripe_customer_id = "cus_late"
    session.flush()
    assert claim(session, waiting) == 1


def test_only_the_types_that_are_asked_for_are_claimed(session: Session, tenant: Tenant) -> None:
    record(session, tenant)
    record(session, tenant, usage_type="AI_MESSAGE_GENERATED")
    metering.claim_chunk(session, [tenant.id], NOON, usage_types=["SMS_SENT"], run_id=7)
    assert [(event.usage_type, event.run_id) for event in events_of(session, tenant)] == [("SMS_SENT", 7)]


def test_a_correction_after_the_claim_is_claimed_as_a_negative_delta(session: Session, tenant: Tenant) -> None:
    wrong = record(session, tenant, quantity=5)
    claim(session, tenant)
    record(session, tenant, quantity=-2, corrects_id=wrong.id)
    claim(session, tenant)
    assert [event.value for event in events_of(session, tenant)] == [5, -2]


def test_a_level_is_claimed_as_its_reading_at_its_time(session: Session, tenant: Tenant) -> None:
    for minute, value in ((10, 50), (20, 0)):
        at = f"2026-06-15T11:{minute}:00Z"
        record(session, tenant, usage_type="STORAGE_USED_MB", quantity=value, occurred_at=at)
        claim(session, tenant)
    assert [(event.value, event.timestamp.minute) for event in events_of(session, tenant)] == [(50, 10), (0, 20)]


def test_a_delta_of_more_than_15_digits_goes_in_several_events(session: Session, tenant: Tenant) -> None:
    record(session, tenant, quantity=4)
    session.execute(
        text("UPDATE usage_rollups SET quantity = :huge WHERE tenant_id = :id"),
        {"huge": 2 * MOST_VALUE + 5, "id": tenant.id},
    )
    assert claim(session, tenant) == 3
    found = [(event.value, event.sequence) for event in events_of(session, tenant)]
    assert found == [(MOST_VALUE, 1), (MOST_VALUE, 2), (5, 3)]
    assert all(len(event.payload["value"]) <= 15 for event in events_of(session, tenant))


def test_usage_outside_any_subscribed_period_is_not_claimed(session: Session, tenant: Tenant) -> None:
    record(session, tenant, occurred_at=(NOON - timedelta(days=11)).isoformat())
    assert metering.list_due_tenants(session, NOON) == []
    assert claim(session, tenant) == 0


def test_a_moved_bucket_is_taken_back_and_claimed_anew(session: Session, tenant: Tenant) -> None:
    record(session, tenant, quantity=1, occurred_at="2026-06-15T10:10:00Z")
    record(session, tenant, quantity=6, occurred_at="2026-06-15T10:50:00Z")
    claim(session, tenant)
    make_period(session, tenant, NOON.replace(hour=10, minute=30), NOON + timedelta(days=30))
    claim(session, tenant)
    found = [(event.value, event.bucket_start.minute) for event in events_of(session, tenant)]
    assert found == [(7, 0), (-6, 0), (6, 30)]


@pytest.mark.parametrize(
    "edge",
    [
        datetime(2026, 6, 14, 9, 17, 23, tzinfo=UTC),
        datetime(2026, 6, 14, 9, 59, 59, tzinfo=UTC),
        # Clocks in Berlin go back at this moment: an hour that comes twice there is two hours here.
        datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC),
        datetime(2027, 3, 14, 2, 30, 1, tzinfo=ZoneInfo("America/New_York")).astimezone(UTC),
    ],
)
def test_no_unit_crosses_a_boundary_at_an_odd_second(session: Session, tenant: Tenant, edge: datetime) -> None:
    now = edge + timedelta(hours=3)
    make_period(session, tenant, edge - timedelta(days=30), edge)
    make_period(session, tenant, edge, edge + timedelta(days=30), plan="professional")
    for quantity, at in ((1, edge - timedelta(seconds=1)), (20, edge), (300, edge + timedelta(seconds=1))):
        record(session, tenant, now=now, quantity=quantity, occurred_at=at.isoformat())
    claim(session, tenant, now)
    found = events_of(session, tenant)
    assert sum(event.value for event in found if event.timestamp < edge) == 1
    assert sum(event.value for event in found if event.timestamp >= edge) == 320
    assert all(event.timestamp == event.bucket_start for event in found)


def test_the_last_hours_before_a_cancellation_are_told_and_what_comes_after_is_not(
    session: Session, tenant: Tenant
) -> None:
    """tuist/tuist#11903: without a timestamp the last day before a cancellation went unbilled."""
    ended = NOON - timedelta(minutes=12, seconds=7)
    record(session, tenant, quantity=2, occurred_at=(ended - timedelta(hours=1)).isoformat())
    record(session, tenant, quantity=3, occurred_at=(ended - timedelta(seconds=1)).isoformat())
    record(session, tenant, quantity=50, occurred_at=ended.isoformat())
    make_period(session, tenant, NOON - timedelta(days=10), ended)
    claim(session, tenant)
    found = events_of(session, tenant)
    assert sorted(event.value for event in found) == [2, 3]
    assert all(event.timestamp < ended for event in found)


def test_the_database_refuses_to_change_a_frozen_event(session: Session, tenant: Tenant) -> None:
    record(session, tenant)
    claim(session, tenant)
    with pytest.raises(DBAPIError, match="never change"):
        session.execute(text("""UPDATE meter_events SET payload = '{"value": "0"}'"""))
