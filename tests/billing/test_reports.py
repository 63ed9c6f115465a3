"""What the usage page is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from dashboard.billing.errors import NotFound
from dashboard.billing.reports import report_usage
from tests.factories import NOON, make_period, make_tenant, record


def test_a_report_adds_up(session: Session) -> None:
    tenant = make_tenant(session)
    for n, day in enumerate(("01", "02", "02", "14"), 1):
        record(session, tenant, quantity=n, occurred_at=f"2026-06-{day}T10:00:00Z")
    record(session, tenant, quantity=50, occurred_at="2026-05-20T10:00:00Z")
    report = report_usage(session, tenant, period_key=None, family_key=None, now=NOON)
    assert report.total == sum(row.total for row in report.days) == 10
    assert [row.total for row in report.days if row.total] == [1, 5, 4]
    assert report.series[0].total == 10


def test_the_running_period_is_compared_with_the_same_time_of_the_one_before(session: Session) -> None:
    tenant = make_tenant(session, now=NOON - timedelta(days=60))
    make_period(session, tenant, NOON - timedelta(days=40), NOON - timedelta(days=10))
    make_period(session, tenant, NOON - timedelta(days=10), NOON + timedelta(days=20))
    for days, quantity in ((35, 7), (25, 100), (5, 9)):
        record(session, tenant, quantity=quantity, occurred_at=(NOON - timedelta(days=days)).isoformat())
    now_running = report_usage(session, tenant, period_key=None, family_key=None, now=NOON)
    (sent,) = [each for each in now_running.type_totals if each.usage_type.name == "SMS_SENT"]
    assert (sent.total, sent.previous) == (9, 7)
    closed = report_usage(session, tenant, period_key=now_running.periods[1].key, family_key=None, now=NOON)
    assert (closed.total, closed.plan_label) == (107, "Starter plan")


def test_a_level_shows_its_latest_reading_and_holds_it_over_silent_days(session: Session) -> None:
    tenant = make_tenant(session)
    for day, value in (("03", 40), ("05", 60)):
        record(session, tenant, usage_type="STORAGE_USED_MB", quantity=value, occurred_at=f"2026-06-{day}T10:00:00Z")
    report = report_usage(session, tenant, period_key=None, family_key="storage", now=NOON)
    assert [row.total for row in report.days[:7]] == [0, 0, 40, 40, 60, 60, 60]
    assert report.total == 60


@pytest.mark.parametrize(("period", "family"), [("1999-01-01", None), (None, "faxes")])
def test_what_there_is_not_is_not_found(session: Session, period: str | None, family: str | None) -> None:
    with pytest.raises(NotFound):
        report_usage(session, make_tenant(session), period_key=period, family_key=family, now=NOON)
