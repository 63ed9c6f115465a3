"""Billing periods: Stripe's, and calendar months where there was no subscription."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from dashboard.billing.periods.periods import choose_period, list_periods, months_between
from tests.factories import make_period, make_tenant


def day(month: int, number: int, hour: int = 0) -> datetime:
    return datetime(2026, month, number, hour, tzinfo=UTC)


def test_months_are_cut_at_the_first() -> None:
    assert months_between(day(1, 20, 9), day(3, 2)) == [
        (day(1, 20, 9), day(2, 1)),
        (day(2, 1), day(3, 1)),
        (day(3, 1), day(3, 2)),
    ]


def test_a_tenant_without_a_subscription_is_shown_by_calendar_month(session: Session) -> None:
    tenant = make_tenant(session, now=day(5, 20))
    periods = list_periods(session, tenant, day(6, 15))
    assert [(period.key, period.plan, period.is_current) for period in periods] == [
        ("2026-06-01", None, True),
        ("2026-05-01", None, False),
    ]


def test_periods_before_and_after_a_subscription_have_no_gap(session: Session) -> None:
    tenant = make_tenant(session, now=day(3, 2))
    make_period(session, tenant, day(3, 10, 9), day(4, 10, 9))
    make_period(session, tenant, day(4, 10, 9), day(5, 10, 9))
    periods = list_periods(session, tenant, day(6, 15))
    spans = [(period.starts_at, period.ends_at) for period in reversed(periods)]
    assert spans == [
        (day(3, 1), day(3, 10, 9)),
        (day(3, 10, 9), day(4, 10, 9)),
        (day(4, 10, 9), day(5, 10, 9)),
        (day(5, 10, 9), day(6, 1)),
        (day(6, 1), day(7, 1)),
    ]
    assert [period.is_current for period in periods] == [True, False, False, False, False]


def test_a_period_that_ended_early_is_told_again(session: Session) -> None:
    tenant = make_tenant(session, now=day(3, 10))
    make_period(session, tenant, day(3, 10, 9), day(4, 10, 9))
    make_period(session, tenant, day(3, 10, 9), day(3, 20, 12))
    periods = list_periods(session, tenant, day(3, 25))
    assert [(period.starts_at, period.ends_at) for period in periods] == [
        (day(3, 20, 12), day(4, 1)),
        (day(3, 10, 9), day(3, 20, 12)),
        (day(3, 1), day(3, 10, 9)),
    ]


def test_periods_that_begin_on_one_day_have_names_of_their_own(session: Session) -> None:
    """A plan bought on the first of a month, and another on the day the first was ended."""
    tenant = make_tenant(session, now=day(3, 1))
    make_period(session, tenant, day(3, 1, 9), day(3, 1, 12))
    make_period(session, tenant, day(3, 1, 15), day(4, 1, 15))
    periods = list_periods(session, tenant, day(3, 2))
    assert [period.key for period in periods] == [
        "2026-03-01T15:00:00Z",
        "2026-03-01T12:00:00Z",
        "2026-03-01T09:00:00Z",
        "2026-03-01",
    ]
    assert [choose_period(periods, period.key) for period in periods] == periods


def test_a_period_is_found_by_the_moment_it_begins_too(session: Session) -> None:
    """Whoever knows no more of it than that, an invoice for one, can lead to it."""
    tenant = make_tenant(session, now=day(3, 2))
    make_period(session, tenant, day(3, 10, 9), day(4, 10, 9))
    periods = list_periods(session, tenant, day(3, 20))
    assert periods[0].key == "2026-03-10"
    assert choose_period(periods, "2026-03-10T09:00:00Z") == periods[0]
    assert choose_period(periods, "2026-03-10T10:00:00Z") is None
