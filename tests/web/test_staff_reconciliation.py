"""The pages of the reconciliation: findings in words with one repair, a period by the hour, and who may see them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import event

from dashboard.billing.reconciliation.parts import Kind, Repair
from dashboard.billing.reconciliation.reports import ROWS
from dashboard.database import db
from dashboard.models import MeterEvent, ReconciliationCheck, ReconciliationFinding
from dashboard.wiring import unit_of_work
from tests.factories import NOON, make_meters, make_period, make_tenant, record
from tests.platform import csrf_of, log_in

START = NOON - timedelta(days=10)
PERIOD = int(START.timestamp())


@pytest.fixture
def tenant_id(app: Flask) -> int:
    """A tenant with one hour of usage that Stripe lacks, and a check that says so."""
    with unit_of_work() as session:
        make_meters(session)
        tenant = make_tenant(session, customer="cus_1")
        make_period(session, tenant)
        record(session, tenant, quantity=7)
        session.add(
            MeterEvent(
                tenant_id=tenant.id,
                identifier="batch-1",
                usage_type="SMS_SENT",
                bucket_start=NOON,
                sequence=1,
                event_name="sms_sent",
                payload={"stripe_customer_id": "cus_1", "value": "7"},
                value=7,
                timestamp=NOON,
                state="sent",
                claimed_at=NOON,
                sent_at=NOON,
            )
        )
        session.add(check_of(tenant.id))
        return tenant.id


def check_of(tenant_id: int) -> ReconciliationCheck:
    return ReconciliationCheck(
        tenant_id=tenant_id,
        period_start=START,
        usage_type="SMS_SENT",
        period_end=NOON + timedelta(days=20),
        ledger=7,
        events=1,
        told=7,
        summary=0,
        proposed=0,
        state="different",
        checked_at=NOON + timedelta(hours=3),
        verified_at=NOON + timedelta(hours=3),
    )


def add_finding(tenant_id: int, kind: Kind = Kind.DROPPED, repair: Repair = Repair.RESEND, n: int = 1) -> int:
    with unit_of_work() as session:
        row = ReconciliationFinding(
            tenant_id=tenant_id,
            key=f"{kind}:{n}",
            kind=str(kind),
            usage_type="SMS_SENT",
            period_start=START,
            hour=None if kind == Kind.INVOICE else NOON,
            identifier="batch-1",
            expected=7,
            found=0,
            repair=str(repair),
            found_at=NOON,
            seen_at=NOON,
        )
        session.add(row)
        session.flush()
        return row.id


@pytest.mark.parametrize("kind", list(Kind))
def test_a_finding_is_a_sentence_with_its_numbers(tenant_id: int, app: Flask, kind: Kind) -> None:
    add_finding(tenant_id, kind)
    page = log_in(app, staff=True).get("/staff/reconciliation")
    assert page.status_code == 200
    if kind != Kind.INVOICE:
        assert "2026-06-15 12:00 UTC" in page.text
    assert page.text.count('action="/staff/reconciliation/') == 1
    assert "7" in page.text


def test_findings_are_filtered_and_paged(tenant_id: int, app: Flask) -> None:
    ids = [add_finding(tenant_id, n=n) for n in range(ROWS + 1)]
    staff = log_in(app, staff=True)
    first = staff.get("/staff/reconciliation").text
    assert "Older findings" in first
    assert f"findings/{ids[0]}/repair" not in first
    assert f"findings/{ids[0]}/repair" in staff.get(f"/staff/reconciliation?before={ids[1]}").text
    assert "No finding fits" in staff.get(f"/staff/reconciliation?tenant={tenant_id + 1}").text
    assert "No finding fits" in staff.get("/staff/reconciliation?state=repaired").text
    assert "Dropped batch" in staff.get("/staff/reconciliation?state=all").text


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("state=odd", 400),
        ("tenant=x", 400),
        ("tenant=0", 400),
        (f"tenant={10**30}", 400),
        ("before=x", 200),
        (f"before={10**30}", 200),
        ("before=%00", 200),
    ],
)
def test_any_query_is_answered(app: Flask, query: str, status: int) -> None:
    answer = log_in(app, staff=True).get(f"/staff/reconciliation?{query}")
    assert answer.status_code == status
    if status == 400:
        assert "must be" in answer.text


def test_nothing_found_says_so(app: Flask) -> None:
    assert "Nothing differs" in log_in(app, staff=True).get("/staff/reconciliation").text


def test_a_period_shows_its_hours(tenant_id: int, app: Flask) -> None:
    add_finding(tenant_id)
    staff = log_in(app, staff=True)
    where = f"/staff/reconciliation/{tenant_id}/{PERIOD}/SMS_SENT"
    page = staff.get(where)
    assert page.status_code == 200
    assert "Differs" in page.text
    assert "Nothing was used on" in staff.get(f"{where}?day=2026-06-01").text
    assert staff.get(f"{where}?day=x").status_code == 400
    missing = [
        f"{tenant_id}/{PERIOD}/NOTHING",
        f"{tenant_id}/1/SMS_SENT",
        f"{tenant_id}/x/SMS_SENT",
        f"9/{PERIOD}/A%00",
    ]
    assert [staff.get(f"/staff/reconciliation/{path}").status_code for path in missing] == [404] * 4
    again = staff.post(where, data={"csrf_token": csrf_of(page)})
    assert (again.status_code, again.headers["Location"]) == (303, where)


def test_pages_cost_few_queries(tenant_id: int, app: Flask) -> None:
    add_finding(tenant_id)
    staff = log_in(app, staff=True)
    said: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda _c, _k, statement, *_: said.append(statement))
    staff.get("/staff/prices")
    about_the_session = sum("users" in statement or "memberships" in statement for statement in said)
    for path in ("", f"/{tenant_id}/{PERIOD}/SMS_SENT"):
        said.clear()
        assert staff.get(f"/staff/reconciliation{path}").status_code == 200
        assert len(said) - about_the_session <= 6, said


def test_repairing_what_is_not_open_does_nothing(tenant_id: int, app: Flask) -> None:
    finding_id = add_finding(tenant_id)
    with unit_of_work() as session:
        session.get_one(ReconciliationFinding, (tenant_id, finding_id)).state = "gone"
    staff = log_in(app, staff=True)
    form = {"csrf_token": csrf_of(staff.get("/staff/reconciliation"))}
    where = f"/staff/reconciliation/{tenant_id}/findings"
    assert staff.post(f"{where}/{finding_id}/repair", data=form).status_code == 303
    assert "There is nothing to repair: the finding is gone." in staff.get("/staff/reconciliation").text
    assert staff.post(f"{where}/{finding_id + 1}/repair", data=form).status_code == 404


def test_only_staff_learn_that_it_exists(tenant_id: int, app: Flask) -> None:
    member = log_in(app, tenant_id)
    for path in ("", f"/{tenant_id}/{PERIOD}/SMS_SENT"):
        assert member.get(f"/staff/reconciliation{path}").status_code == 404
        assert app.test_client().get(f"/staff/reconciliation{path}").status_code == 303
