"""What a usage page is about: told by its address, or refused with the field."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput, NotFound
from dashboard.billing.reports.ranges import find_range, range_among
from dashboard.billing.reports.usage_scope import Wanted, find_scope
from tests.factories import NOON, make_period, make_tenant


def test_by_default_it_is_the_current_period_by_day_and_type(session: Session) -> None:
    tenant = make_tenant(session)
    make_period(session, tenant)
    scope = find_scope(session, tenant, Wanted(), NOON)
    assert scope.span.period is not None
    assert (scope.span.period.is_current, scope.granularity, scope.group_by) == (True, "day", "type")
    assert scope.names == ["SMS_SENT", "SMS_RECEIVED"]


def test_a_day_is_shown_by_hours_beside_the_day_before(session: Session) -> None:
    tenant = make_tenant(session, now=NOON - timedelta(days=60))
    scope = find_scope(session, tenant, Wanted(start="2026-06-10", stop="2026-06-11", family="SMS_SENT"), NOON)
    assert (scope.granularity, scope.key, scope.label) == ("hour", "SMS_SENT", "SMS sent")
    assert scope.before is not None
    assert (scope.before.start, scope.before.stop) == (scope.span.start - timedelta(days=1), scope.span.start)


def test_a_level_is_not_split(session: Session) -> None:
    assert find_scope(session, make_tenant(session), Wanted(family="storage", group_by="user"), NOON).group_by == "type"


def test_a_period_goes_before_dates(session: Session) -> None:
    scope = find_scope(session, make_tenant(session), Wanted(period="current", start="2026-06-10"), NOON)
    assert scope.span.period is not None


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (Wanted(start="soon"), "from"),
        (Wanted(stop="2026-06-01"), "from"),
        (Wanted(start="2026-06-02", stop="2026-06-01"), "to"),
        (Wanted(start="2020-06-02", stop="2026-06-01"), "to"),
        (Wanted(granularity="week"), "granularity"),
        (Wanted(granularity="hour"), "granularity"),
        (Wanted(group_by="colour"), "group_by"),
        (Wanted(user_id="x" * 201), "user_id"),
        (Wanted(resource_id="\x00"), "resource_id"),
    ],
)
def test_what_cannot_be_names_its_field(session: Session, wanted: Wanted, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        find_scope(session, make_tenant(session), wanted, NOON)
    assert refused.value.field == field


@pytest.mark.parametrize("wanted", [Wanted(period="1999-01-01"), Wanted(period="previous"), Wanted(family="faxes")])
def test_what_there_is_not_is_not_found(session: Session, wanted: Wanted) -> None:
    with pytest.raises(NotFound):
        find_scope(session, make_tenant(session), wanted, NOON)


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        ("2026-03-02T10:20:00Z", "2026-06-14T10:40:00Z"),
        ("2026-05-05T12:00:00Z", "2026-06-05T12:00:00Z"),
        ("2026-06-05T11:00:00Z", "2026-06-05T13:00:00Z"),
        ("2026-06-01", "2026-07-14"),
    ],
)
def test_a_range_among_known_periods_is_the_one_that_is_looked_up(session: Session, start: str, stop: str) -> None:
    tenant = make_tenant(session, now=NOON - timedelta(days=60))
    make_period(session, tenant, NOON - timedelta(days=40, minutes=20), NOON - timedelta(days=10))
    make_period(session, tenant)
    looked_up = find_range(session, tenant, period=None, start=start, stop=stop, now=NOON)
    periods = find_scope(session, tenant, Wanted(), NOON).periods
    assert range_among(periods, looked_up.start, looked_up.stop, NOON) == looked_up
