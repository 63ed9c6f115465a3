"""What the usage page is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from dashboard.billing.reports import usage_report as reports
from dashboard.billing.reports.usage_report import UsageReport, report_usage
from dashboard.billing.reports.usage_scope import Wanted, find_scope
from dashboard.models import Tenant
from tests.factories import NOON, make_period, make_tenant, record


def ask(session: Session, tenant: Tenant, **wanted: str) -> UsageReport:
    return report_usage(session, tenant, find_scope(session, tenant, Wanted(**wanted), NOON), NOON)


@pytest.fixture
def tenant(session: Session) -> Tenant:
    """Two periods that begin at noon."""
    tenant = make_tenant(session, now=NOON - timedelta(days=60))
    make_period(session, tenant, NOON - timedelta(days=40), NOON - timedelta(days=10))
    make_period(session, tenant, NOON - timedelta(days=10), NOON + timedelta(days=20))
    return tenant


def test_a_report_adds_up(session: Session) -> None:
    tenant = make_tenant(session)
    for n, day in enumerate(("01", "02", "02", "14"), 1):
        record(session, tenant, quantity=n, occurred_at=f"2026-06-{day}T10:00:00Z")
    record(session, tenant, quantity=50, occurred_at="2026-05-20T10:00:00Z")
    report = ask(session, tenant)
    assert report.total == sum(row.total for row in report.slots) == 10
    assert [row.total for row in report.slots if row.total] == [1, 5, 4]
    assert report.series[0].total == 10


def test_the_running_period_is_compared_with_the_same_time_of_the_one_before(session: Session, tenant: Tenant) -> None:
    for days, quantity in ((35, 7), (25, 100), (5, 9)):
        record(session, tenant, quantity=quantity, occurred_at=(NOON - timedelta(days=days)).isoformat())
    running = ask(session, tenant)
    (sent,) = [each for each in running.type_totals if each.usage_type.name == "SMS_SENT"]
    assert (sent.total, sent.previous, running.previous) == (9, 7, 7)
    closed = ask(session, tenant, period="previous")
    assert (closed.total, closed.plan_label) == (107, "Starter plan")


def test_each_slot_stands_beside_the_one_before(session: Session, tenant: Tenant) -> None:
    record(session, tenant, quantity=7, occurred_at=(NOON - timedelta(days=38)).isoformat())
    record(session, tenant, quantity=100, occurred_at=(NOON - timedelta(days=15)).isoformat())
    record(session, tenant, quantity=9, occurred_at=(NOON - timedelta(days=8)).isoformat())
    report = ask(session, tenant)
    assert [(row.total, row.previous) for row in report.slots if row.total] == [(9, 7)]
    assert [row.previous for row in report.slots if row.is_future and row.previous] == [100]
    day = ask(session, tenant, start="2026-06-07", stop="2026-06-08")
    assert (day.total, day.previous, len(day.slots)) == (9, 0, 24)


def test_a_level_shows_its_latest_reading_and_holds_it_over_silent_days(session: Session) -> None:
    tenant = make_tenant(session)
    for day, value in (("03", 40), ("05", 60)):
        record(session, tenant, usage_type="STORAGE_USED_MB", quantity=value, occurred_at=f"2026-06-{day}T10:00:00Z")
    report = ask(session, tenant, family="storage")
    assert [row.total for row in report.slots[:7]] == [0, 0, 40, 40, 60, 60, 60]
    assert report.total == 60


def test_a_level_is_held_over_the_beginning_of_a_period(session: Session, tenant: Tenant) -> None:
    for days, value in ((41, 20), (12, 40), (7, 60)):
        moment = (NOON - timedelta(days=days)).isoformat()
        record(session, tenant, usage_type="STORAGE_USED_MB", quantity=value, occurred_at=moment)
    report = ask(session, tenant, family="storage")
    assert [row.total for row in report.slots[:5]] == [40, 40, 40, 60, 60]
    assert [row.previous for row in report.slots[:3]] == [20, 20, 20]
    assert report.allowances[3].used == 60


def test_a_split_shows_the_largest_and_gathers_the_rest(session: Session, tenant: Tenant) -> None:
    for n in range(11):
        user = f"user {n}" if n else None
        record(session, tenant, quantity=n + 1, user_id=user, occurred_at=(NOON - timedelta(days=n % 3)).isoformat())
    report = ask(session, tenant, group_by="user")
    assert [each.key for each in report.series[:-1]] == [f"user {n}" for n in range(10, 2, -1)]
    assert report.series[-1].is_other
    assert (report.other_groups, report.series[-1].total) == (3, 1 + 2 + 3)
    assert report.total == sum(each.total for each in report.series) == sum(row.total for row in report.slots) == 66


def test_filters_narrow_what_is_shown_and_what_it_is_compared_with(session: Session, tenant: Tenant) -> None:
    for days, user, quantity in ((38, "ada", 5), (38, "bob", 50), (8, "ada", 3), (8, "bob", 30)):
        moment = (NOON - timedelta(days=days)).isoformat()
        record(session, tenant, quantity=quantity, user_id=user, occurred_at=moment)
    report = ask(session, tenant, user_id="ada")
    assert (report.total, report.previous) == (3, 5)
    assert report.allowances == ()


def test_a_day_says_who_it_was(session: Session, tenant: Tenant) -> None:
    for user, quantity in (("ada", 5), ("bob", 7), ("ada", 1)):
        record(session, tenant, quantity=quantity, user_id=user)
    day = ask(session, tenant, start="2026-06-15", stop="2026-06-16")
    assert day.who is not None
    assert [(part.key, part.quantity, part.events) for part in day.who.parts] == [("bob", 7, 1), ("ada", 6, 2)]
    assert ask(session, tenant).who is None


def test_more_actions_than_can_be_read_are_not_split_but_the_newest_are_offered(
    session: Session, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "MOST_ROWS", 3)
    for days in (8, 2, 1, 0):
        record(session, tenant, quantity=2, user_id="ada", occurred_at=(NOON - timedelta(days=days)).isoformat())
    split = ask(session, tenant, group_by="user")
    assert split.too_many is not None
    assert (split.too_many.actions, split.total, len(split.series)) == (4, 8, 2)
    assert split.too_many.fits is not None
    assert [moment.isoformat()[:10] for moment in split.too_many.fits] == ["2026-06-13", "2026-06-16"]
    narrowed = ask(session, tenant, user_id="ada")
    assert narrowed.too_many is not None
    assert (narrowed.slots, narrowed.total) == ((), 0)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(
        st.tuples(st.integers(0, 4_000), st.integers(0, 99), st.sampled_from([None, "ada", "bob"])), max_size=12
    ),
    bounds=st.tuples(st.integers(0, 4_000), st.integers(0, 4_000)).filter(lambda each: each[0] != each[1]),
    group_by=st.sampled_from(["type", "user", "resource"]),
    granularity=st.sampled_from(["hour", "day"]),
)
def test_any_span_any_way_adds_up_to_what_happened(
    session: Session,
    events: list[tuple[int, int, str | None]],
    bounds: tuple[int, int],
    group_by: str,
    granularity: str,
) -> None:
    tenant = make_tenant(session)
    make_period(session, tenant, NOON - timedelta(hours=30, minutes=17))
    for minutes, quantity, name in events:
        moment = (NOON - timedelta(minutes=minutes)).isoformat()
        record(session, tenant, quantity=quantity, user_id=name, resource_id=name, occurred_at=moment)
    start, stop = NOON - timedelta(minutes=max(bounds)), NOON - timedelta(minutes=min(bounds))
    report = ask(
        session,
        tenant,
        start=start.isoformat(),
        stop=stop.isoformat(),
        group_by=group_by,
        granularity=granularity,
    )
    expected = sum(n for minutes, n, _ in events if start <= NOON - timedelta(minutes=minutes) < stop)
    assert report.total == sum(each.total for each in report.series) == expected
    assert [sum(row.values) for row in report.slots] == [row.total for row in report.slots]
