"""Staff's first page: figures over all tenants, from states and from totals that a job keeps ready."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from dashboard.billing.inbox.webhook_inbox import count_inbox
from dashboard.billing.staff.staff_overview import view_all_tenants
from dashboard.billing.staff.staff_totals import list_outdated_totals, refresh_counts, refresh_totals
from dashboard.database import db
from dashboard.jobs.staff_totals import refresh_staff_totals
from dashboard.models import BillingState, Tenant, TenantUsageTotal
from dashboard.wiring import now, unit_of_work
from tests.factories import make_meters, make_period, make_tenant, record
from tests.platform import log_in
from tests.web.staff.scenes import make_eventful_tenant

DAY = timedelta(days=1)


@pytest.fixture
def staff(app: Flask) -> FlaskClient:
    return log_in(app, staff=True)


def figure(page: str, label: str) -> str:
    found = re.search(rf'>{label}</a></dt><dd class="value">([^<]+)<', page)
    assert found, label
    return found.group(1)


def test_an_empty_installation_says_what_to_do(staff: FlaskClient) -> None:
    page = staff.get("/staff").text
    assert "flask accounts create-tenant" in page
    assert figure(page, "Webhooks failed") == "0"
    assert figure(page, "Hours not claimed yet") == "–"
    assert "No worker runs" in page


def test_what_should_be_nothing_is_counted_and_leads_to_its_list(staff: FlaskClient) -> None:
    with unit_of_work() as session:
        make_eventful_tenant(session)
        make_meters(session)
    refresh_staff_totals()
    page = staff.get("/staff").text
    for label in ("Webhooks failed", "Meter events refused", "Deliveries given up", "Do not pay"):
        count = figure(page, label)
        assert int(count) >= 1, label
        address = re.search(rf'href="([^"]+)">{label}</a>', page)
        assert address
        assert staff.get(address.group(1)).status_code == 200
    assert figure(page, "At unknown prices") == "0"
    assert int(figure(page, "Hours not claimed yet")) >= 1
    assert re.search(r'plan=starter&amp;state=grace">1</a>', page)
    assert "Acme of the tests" in page
    assert count_inbox(db.session()).failed == 1


def test_tenants_are_counted_by_plan_and_state_as_they_are_at_the_last_count(staff: FlaskClient) -> None:
    with unit_of_work() as session:
        make_tenant(session)
        tenant_id = make_eventful_tenant(session).id
    assert "has not counted the tenants yet" in staff.get("/staff").text
    refresh_staff_totals()
    counted = {row.plan: row for row in view_all_tenants(db.session(), now()).plans}
    assert (counted["free"].full, counted["starter"].grace) == (1, 1)
    with unit_of_work() as session:
        state = session.get_one(BillingState, tenant_id)
        state.read_only_at = now() - DAY
    refresh_staff_totals()
    db.session.rollback()
    plans = view_all_tenants(db.session(), now()).plans
    assert [(row.plan, row.full, row.grace, row.read_only) for row in plans] == [
        ("free", 1, 0, 0),
        ("starter", 0, 0, 1),
    ]


def test_usage_is_of_today_and_of_this_month(staff: FlaskClient) -> None:
    moment = datetime(2026, 6, 15, 12, tzinfo=now().tzinfo)
    with unit_of_work() as session:
        for n in (1, 2):
            tenant = make_tenant(session, now=moment - 60 * DAY)
            for age, quantity in ((0, 1), (1, 10), (14, 100), (15, 1_000)):
                record(session, tenant, now=moment, quantity=quantity, occurred_at=(moment - age * DAY).isoformat())
            for age in (2, 1):
                at = (moment - age * DAY).isoformat()
                record(session, tenant, now=moment, usage_type="STORAGE_USED_MB", quantity=n * 10 + age, occurred_at=at)
    refresh_at(moment)
    shown = view_all_tenants(db.session(), moment)
    totals = {row.usage_type.name: (row.today, row.this_month) for row in shown.usage}
    assert totals == {"SMS_SENT": (2, 222), "STORAGE_USED_MB": (32, 32)}
    assert (shown.actions_today, shown.actions_this_month) == (2, 10)
    tomorrow = view_all_tenants(db.session(), moment + DAY)
    assert {row.usage_type.name: row.today for row in tomorrow.usage} == {"SMS_SENT": 0, "STORAGE_USED_MB": 32}
    july = view_all_tenants(db.session(), moment + 20 * DAY)
    assert (july.actions_today, july.actions_this_month) == (0, 0)


def test_totals_follow_the_ledger_and_the_billing_period_and_rest_otherwise(app: Flask) -> None:
    with unit_of_work() as session:
        tenant = make_tenant(session, now=now() - 90 * DAY)
        tenant_id = tenant.id
        make_tenant(session)
        record(session, tenant, now=now(), quantity=5)
    assert refresh_staff_totals() == 1
    with unit_of_work() as session:
        session.execute(
            text("UPDATE tenant_usage_totals SET refreshed_at = :at"), {"at": now() + 2 * timedelta(minutes=1)}
        )
    assert refresh_staff_totals() == 0
    with unit_of_work() as session:
        make_period(session, session.get_one(Tenant, tenant_id), now() - timedelta(seconds=90), now() + 30 * DAY)
    assert refresh_staff_totals() == 1
    db.session.rollback()
    total = db.session.scalars(select(TenantUsageTotal)).one()
    assert (total.period_events, total.month_events, total.day_quantity) == (1, 1, 5)
    assert total.period_end > now() + 29 * DAY


def refresh_at(moment: datetime) -> None:
    """As the job does, at another moment."""
    with unit_of_work() as session:
        refresh_totals(session, list_outdated_totals(session, moment), moment)
        refresh_counts(session, moment)
