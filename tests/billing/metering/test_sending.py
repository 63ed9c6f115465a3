"""Sending and marking: what was tried is known, what was taken is sent, and nothing goes twice."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing import metering
from dashboard.billing.ports.providers import ProviderBusy, ProviderRefused, ProviderUnavailable
from dashboard.models import Tenant
from tests.billing.metering.steps import RecordingSender, claim, events_of, send
from tests.factories import NOON, record

AWAY = ProviderUnavailable("Stripe: no answer")


def test_what_was_sent_is_marked_and_not_sent_again(session: Session, tenant: Tenant) -> None:
    record(session, tenant, quantity=3)
    claim(session, tenant)
    sender = RecordingSender()
    assert send(session, tenant, sender) == metering.Sent(new=1)
    assert (sender.sent[0].event_name, sender.sent[0].payload["value"]) == ("sms_sent", "3")
    assert send(session, tenant, sender) == metering.Sent()
    assert metering.list_pending_tenants(session, after=tenant.id - 1) == []


def test_a_duplicate_identifier_is_delivery_and_is_never_retried(session: Session, tenant: Tenant) -> None:
    """langfuse/langfuse#16292: a duplicate answered 400, the job retried for ever and metering stopped."""
    record(session, tenant)
    claim(session, tenant)
    assert send(session, tenant, RecordingSender(False)) == metering.Sent(duplicates=1)
    (event,) = events_of(session, tenant)
    assert (event.state, event.duplicate, event.attempts) == ("sent", True, 1)
    assert send(session, tenant, RecordingSender()) == metering.Sent()


def test_a_refused_event_keeps_its_reason_and_the_rest_goes_on(session: Session, tenant: Tenant) -> None:
    record(session, tenant)
    record(session, tenant, usage_type="AI_MESSAGE_GENERATED")
    claim(session, tenant)
    refusal = ProviderRefused("the meter is archived", code="archived_meter")
    assert send(session, tenant, RecordingSender(refusal)) == metering.Sent(new=1, rejected=1)
    found = [(event.state, event.error, event.error_code) for event in events_of(session, tenant)]
    assert found == [("rejected", "the meter is archived", "archived_meter"), ("sent", None, None)]


def test_a_replay_after_an_outage_has_the_same_identifier(session: Session, tenant: Tenant) -> None:
    """langfuse/langfuse#15917, diggerhq/opencomputer#276: without an identifier a replay billed twice."""
    record(session, tenant)
    claim(session, tenant)
    (before,) = [event.identifier for event in events_of(session, tenant)]
    sent = send(session, tenant, RecordingSender(AWAY, AWAY, AWAY))
    assert sent == metering.Sent(unavailable="Stripe: no answer")
    again = RecordingSender()
    send(session, tenant, again)
    assert [event.identifier for event in again.sent] == [before]
    assert [event.attempts for event in events_of(session, tenant)] == [2]


def test_what_was_tried_a_day_ago_without_an_answer_goes_to_staff(session: Session, tenant: Tenant) -> None:
    record(session, tenant)
    claim(session, tenant)
    send(session, tenant, RecordingSender(AWAY, AWAY, AWAY))
    later = NOON + timedelta(hours=24)
    sender = RecordingSender()
    assert send(session, tenant, sender, later) == metering.Sent()
    (event,) = events_of(session, tenant)
    assert (event.state, event.error_code, sender.sent) == ("rejected", "unconfirmed", [])
    metering.confirm(session, tenant.id, event.id, later)
    assert [event.state for event in events_of(session, tenant)] == ["sent"]


def test_what_surely_did_not_reach_stripe_is_sent_however_late(session: Session, tenant: Tenant) -> None:
    record(session, tenant)
    claim(session, tenant)
    busy = [ProviderBusy("too many", retry_after=2) for _ in range(8)]
    send(session, tenant, RecordingSender(*busy))
    assert send(session, tenant, RecordingSender(), NOON + timedelta(hours=30)) == metering.Sent(new=1)


def test_a_report_that_comes_before_the_mark_is_not_overwritten(session: Session, tenant: Tenant) -> None:
    record(session, tenant)
    claim(session, tenant)
    events = metering.take_pending(session, [tenant.id], NOON, each=50, most=50)
    session.execute(text("UPDATE meter_events SET state = 'rejected', error_code = 'no_meter'"))
    metering.mark_outcomes(session, [metering.Outcome(events[0])], NOON)
    assert [event.state for event in events_of(session, tenant)] == ["rejected"]


def test_one_tenant_with_much_to_send_leaves_room_for_others(session: Session, tenant: Tenant) -> None:
    for hour in range(1, 9):
        record(session, tenant, occurred_at=(NOON - timedelta(hours=hour)).isoformat())
    claim(session, tenant)
    assert len(metering.take_pending(session, [tenant.id], NOON, each=3, most=100)) == 3
