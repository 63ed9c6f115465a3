"""Which span a report is about, and how it is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.reports.range_totals import totals_by_type
from dashboard.billing.reports.ranges import Range, find_range
from dashboard.models import Tenant
from tests.factories import NOON, make_period, make_tenant, record


def span(session: Session, tenant: Tenant, start: str, stop: str | None = None) -> Range:
    return find_range(session, tenant, period=None, start=start, stop=stop, now=NOON)


def test_periods_are_named_by_place_or_by_their_first_day(session: Session) -> None:
    tenant = make_tenant(session, now=NOON - timedelta(days=60))
    make_period(session, tenant, NOON - timedelta(days=40), NOON - timedelta(days=10))
    make_period(session, tenant, NOON - timedelta(days=10), NOON + timedelta(days=20))
    current, previous, by_day, none = (
        find_range(session, tenant, period=name, start=None, stop=None, now=NOON)
        for name in ("current", "previous", "2026-05-06", None)
    )
    assert (current.start, current.stop) == (NOON - timedelta(days=10), NOON + timedelta(days=20))
    assert previous == by_day
    assert previous.stop == current.start
    assert none == current


def test_without_a_subscription_the_period_is_the_calendar_month(session: Session) -> None:
    tenant = make_tenant(session)
    found = find_range(session, tenant, period="current", start=None, stop=None, now=NOON)
    assert (found.start, found.stop) == (datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("period", "start", "stop", "field"),
    [
        ("1999-01-01", None, None, "period"),
        ("soon", None, None, "period"),
        ("current", "2026-06-01", None, "period"),
        (None, None, "2026-06-01", "from"),
        (None, "yesterday", None, "from"),
        (None, "2026-06-01T10:00:00", None, "from"),
        (None, "0001-01-01T00:00:00+10:00", None, "from"),
        (None, "2026-06-02", "2026-06-01", "to"),
        (None, "2026-06-02", "2026-06-02", "to"),
        (None, "2001-01-01", "2026-06-02", "to"),
    ],
)
def test_a_span_that_cannot_be_names_its_field(
    session: Session, period: str | None, start: str | None, stop: str | None, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        find_range(session, make_tenant(session), period=period, start=start, stop=stop, now=NOON)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("start", "stop", "total"),
    [
        ("2026-06-14T09:59:00Z", "2026-06-14T12:00:00Z", 63),
        ("2026-06-14T10:10:00Z", "2026-06-14T12:00:00Z", 62),
        ("2026-06-14T10:10:00.000001Z", "2026-06-14T11:00:00Z", 28),
        ("2026-06-14T10:20:00Z", "2026-06-14T10:40:00Z", 12),
        ("2026-06-14T10:30:00Z", "2026-06-14T11:30:00Z", 24),
        ("2026-06-14T10:30:00Z", "2026-06-14T11:30:00.000001Z", 56),
        ("2026-06-14T10:15:00Z", "2026-06-14T11:00:00Z", 28),
        ("2026-06-14T12:00:00+02:00", "2026-06-14T12:30:00+02:00", 7),
    ],
)
def test_a_range_that_cuts_hours_and_periods_is_exact(session: Session, start: str, stop: str, total: int) -> None:
    tenant = make_tenant(session)
    edge = datetime(2026, 6, 14, 10, 30, tzinfo=UTC)
    make_period(session, tenant, edge - timedelta(days=30), edge)
    make_period(session, tenant, edge, edge + timedelta(days=30))
    for n, minute in enumerate((0, 10, 20, 30, 50)):
        record(session, tenant, quantity=2**n, occurred_at=f"2026-06-14T10:{minute:02d}:00Z")
    record(session, tenant, quantity=32, occurred_at="2026-06-14T11:30:00Z")
    found = totals_by_type(session, tenant.id, span(session, tenant, start, stop), ["SMS_SENT"])
    assert found["SMS_SENT"].quantity == total
    assert found["SMS_SENT"].events == total.bit_count()


def test_whole_hours_and_periods_need_no_look_into_the_ledger(session: Session) -> None:
    tenant = make_tenant(session)
    edge = datetime(2026, 6, 14, 10, 30, 15, tzinfo=UTC)
    make_period(session, tenant, edge, edge + timedelta(days=30))
    for start, stop in (("2026-06-14", "2026-06-15"), ("2026-06-14T10:30:15Z", "2026-06-14T12:00:00Z")):
        assert span(session, tenant, start, stop).cut == ()
    assert span(session, tenant, "2026-06-14T10:30:16Z", "2026-06-14T12:00:00Z").cut != ()


def test_a_level_cut_inside_an_hour_is_its_last_reading_before(session: Session) -> None:
    tenant = make_tenant(session)
    for minute, reading in ((10, 100), (40, 70)):
        record(
            session, tenant, usage_type="STORAGE_USED_MB", quantity=reading, occurred_at=f"2026-06-14T10:{minute}:00Z"
        )
    for stop, reading in (("2026-06-14T10:30:00Z", 100), ("2026-06-14T10:41:00Z", 70), ("2026-06-14T12:30:00Z", 70)):
        found = totals_by_type(session, tenant.id, span(session, tenant, "2026-06-14", stop), ["STORAGE_USED_MB"])
        assert found["STORAGE_USED_MB"].quantity == reading
