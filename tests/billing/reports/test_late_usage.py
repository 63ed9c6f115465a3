"""Late usage belongs to its time, is in every total, and is told apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.errors import AlreadyCorrected, InvalidInput, NotFound
from dashboard.billing.ledger.reversals import reverse_usage
from dashboard.billing.ledger.usage_filters import UsageFilters
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.reports.ranges import Range, find_range
from dashboard.billing.reports.usage_details import decode_cursor, find_detail, list_details
from dashboard.billing.reports.usage_summaries import chart_usage, summarise_usage
from dashboard.models import Tenant
from tests.factories import NOON, make_period, make_tenant, record

SENT = USAGE_TYPES["SMS_SENT"]
NOTHING = UsageFilters()
END = datetime(2026, 6, 14, 10, 30, tzinfo=UTC)


@pytest.fixture
def tenant(session: Session) -> Tenant:
    """A tenant whose period ended at 14 June 10:30 and was followed by another."""
    tenant = make_tenant(session)
    make_period(session, tenant, END - timedelta(days=30), END)
    make_period(session, tenant, END, END + timedelta(days=30))
    return tenant


def at(session: Session, tenant: Tenant, occurred: timedelta, recorded: timedelta, quantity: int) -> None:
    """Usage that happened and was recorded so long after the end of the period."""
    record(session, tenant, quantity=quantity, occurred_at=(END + occurred).isoformat(), now=END + recorded)


def late_in(session: Session, tenant: Tenant, span: Range) -> tuple[int, int]:
    series = chart_usage(session, tenant.id, span, SENT, granularity="hour", filters=NOTHING, now=NOON)
    assert sum(slot.late.quantity for slot in series.slots) == series.late.quantity
    summary = next(each for each in summarise_usage(session, tenant.id, span).types if each.usage_type is SENT)
    assert summary.late == series.late
    listed, _ = list_details(session, tenant.id, span, SENT.name, filters=NOTHING, only_late=True, limit=100)
    assert all(each.is_late for each in listed)
    assert (sum(each.quantity for each in listed), len(listed)) == (series.late.quantity, series.late.events)
    return series.late.quantity, series.late.events


def test_what_is_recorded_at_or_after_the_end_is_late_and_counts(session: Session, tenant: Tenant) -> None:
    minute = timedelta(minutes=1)
    at(session, tenant, -minute, -minute, 1)
    at(session, tenant, -5 * minute, -timedelta(microseconds=1), 2)
    at(session, tenant, -minute, timedelta(0), 4)  # late by the moment
    at(session, tenant, -59 * minute, 2 * minute, 8)  # just over an hour
    at(session, tenant, -timedelta(days=9), timedelta(hours=5), 16)
    at(session, tenant, timedelta(0), 300 * minute, 32)  # of the next period, which is open
    closed = find_range(session, tenant, period="previous", start=None, stop=None, now=NOON)
    series = chart_usage(session, tenant.id, closed, SENT, granularity="day", filters=NOTHING, now=NOON)
    assert series.total.quantity == 31
    assert late_in(session, tenant, closed) == (28, 3)
    current = find_range(session, tenant, period="current", start=None, stop=None, now=NOON)
    assert late_in(session, tenant, current) == (0, 0)


def test_nothing_is_late_while_its_period_is_open(session: Session, tenant: Tenant) -> None:
    at(session, tenant, -timedelta(days=9), -timedelta(days=1), 5)
    before_the_end = END - timedelta(minutes=1)
    span = find_range(session, tenant, period="current", start=None, stop=None, now=before_the_end)
    assert span.closed == ()
    assert late_in(session, tenant, span) == (0, 0)


def test_a_range_over_two_periods_and_a_month_without_one_judges_each_by_its_own_end(session: Session) -> None:
    tenant = make_tenant(session)
    make_period(session, tenant, END, END + timedelta(days=1))
    for occurred, recorded, quantity in (
        ("2026-05-31T23:30:00Z", "2026-06-01T00:10:00Z", 1),  # the month of May is over
        ("2026-06-10T00:00:00Z", "2026-06-14T10:29:00Z", 2),  # the month ends where the subscription begins
        ("2026-06-10T00:00:00Z", "2026-06-14T10:30:00Z", 4),
        ("2026-06-15T00:00:00Z", "2026-06-15T09:00:00Z", 8),
        ("2026-06-15T00:00:00Z", "2026-06-15T11:00:00Z", 16),
    ):
        record(session, tenant, quantity=quantity, occurred_at=occurred, now=datetime.fromisoformat(recorded))
    span = find_range(session, tenant, period=None, start="2026-05-20", stop="2026-06-20", now=NOON)
    assert late_in(session, tenant, span) == (21, 3)


def test_the_search_for_late_usage_has_an_index(session: Session, tenant: Tenant) -> None:
    """A closed period of much usage and little late usage reads the little."""
    session.execute(text("SET LOCAL enable_seqscan = off"))
    plan = "\n".join(
        session.scalars(
            text(
                "EXPLAIN SELECT 1 FROM billing_usage WHERE tenant_id = 1 AND occurred_at >= '2026-06-01'"
                " AND occurred_at < '2026-07-01' AND recorded_at - occurred_at > interval '1 hour'"
            )
        )
    )
    assert "ix_billing_usage_late" in plan


def test_a_reversal_leaves_nothing_and_both_rows_name_each_other(session: Session, tenant: Tenant) -> None:
    made = record(
        session, tenant, quantity=7, user_id="ada", resource_type="message", resource_id="m", metadata={"a": [1]}
    )
    reversal = reverse_usage(session, tenant.id, made.id, source="test", now=NOON + timedelta(hours=1))
    original, correction = (find_detail(session, tenant.id, id_) for id_ in (made.id, reversal.id))
    assert (original.corrected_by, correction.corrects_id) == (correction.id, original.id)
    assert (correction.quantity, correction.idempotency_key) == (-7, f"reversal:{made.id}")
    for field in ("usage_type", "user_id", "resource_type", "resource_id", "metadata", "occurred_at"):
        assert getattr(correction, field) == getattr(original, field)
    span = find_range(session, tenant, period="current", start=None, stop=None, now=NOON)
    series = chart_usage(session, tenant.id, span, SENT, granularity="day", filters=NOTHING, now=NOON)
    assert (series.total.quantity, series.total.events) == (0, 2)


def test_what_was_corrected_cannot_be_reversed_again(session: Session, tenant: Tenant) -> None:
    made = record(session, tenant, quantity=7)
    reverse_usage(session, tenant.id, made.id, source="test", now=NOON)
    with pytest.raises(AlreadyCorrected) as refused:
        reverse_usage(session, tenant.id, made.id, source="test", now=NOON)
    assert refused.value.event_id == made.id
    partly = record(session, tenant, quantity=7)
    record(session, tenant, quantity=-2, corrects_id=partly.id)
    with pytest.raises(AlreadyCorrected):
        reverse_usage(session, tenant.id, partly.id, source="test", now=NOON)


def test_only_an_action_of_ones_own_can_be_reversed(session: Session, tenant: Tenant) -> None:
    reading = record(session, tenant, usage_type="STORAGE_USED_MB", quantity=7)
    correction = reverse_usage(session, tenant.id, record(session, tenant).id, source="test", now=NOON)
    for event_id in (reading.id, correction.id):
        with pytest.raises(InvalidInput) as refused:
            reverse_usage(session, tenant.id, event_id, source="test", now=NOON)
        assert refused.value.field == "id"
    with pytest.raises(NotFound):
        reverse_usage(session, make_tenant(session).id, reading.id, source="test", now=NOON)


@pytest.mark.parametrize("cursor", ["", "x", "....", "MjAyNi0wNi0wMXwx", "b25seQ", "é", "=", "MjAyNnwx" * 100])
def test_a_cursor_we_did_not_give_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        decode_cursor(cursor)
    assert refused.value.field == "cursor"
