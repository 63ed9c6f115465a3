"""Staff look at a tenant's pages: read-only, with a reason and a banner, for an hour, and the audit trail says so."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from dashboard.database import db
from dashboard.jobs.staff_totals import end_staff_views
from dashboard.models import AuditEntry, Role, StaffView
from dashboard.wiring import now, unit_of_work
from tests.platform import csrf_of, log_in, new_tenant

BANNER = "as staff, read-only"


@pytest.fixture
def staff(app: Flask) -> FlaskClient:
    return log_in(app, staff=True)


def begin(staff: FlaskClient, tenant_id: int, reason: str = "Ticket 4711", to: str = "") -> str:
    """Begin a view through the form; where it leads."""
    address = f"/staff/tenants/{tenant_id}/view"
    form = {"csrf_token": csrf_of(staff.get(address)), "reason": reason, "to": to}
    answer = staff.post(address, data=form)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def trail(tenant_id: int) -> list[tuple[str, str, str]]:
    db.session.rollback()
    rows = db.session.scalars(select(AuditEntry).where(AuditEntry.tenant_id == tenant_id).order_by(AuditEntry.id))
    return [(row.action, row.actor_kind, row.subject) for row in rows]


def move_start_back(minutes: int) -> None:
    """As if the view had begun earlier."""
    by = timedelta(minutes=minutes)
    with unit_of_work() as session:
        session.execute(update(StaffView).values(started_at=StaffView.started_at - by, ends_at=StaffView.ends_at - by))


def test_a_tenants_page_asks_staff_why_and_then_opens_where_they_wanted_to_go(staff: FlaskClient) -> None:
    tenant_id, _ = new_tenant()
    turned = staff.get(f"/tenants/{tenant_id}/invoices?status=open")
    assert turned.status_code == 303
    asked = staff.get(turned.headers["Location"])
    assert "Reason" in asked.text
    form = {"csrf_token": csrf_of(asked), "reason": "Ticket 4711", "to": f"/tenants/{tenant_id}/invoices?status=open"}
    begun = staff.post(f"/staff/tenants/{tenant_id}/view", data=form)
    assert begun.headers["Location"] == f"/tenants/{tenant_id}/invoices?status=open"
    page = staff.get(begun.headers["Location"])
    assert page.status_code == 200
    assert BANNER in page.text
    assert BANNER in staff.get("/staff/queues").text
    assert trail(tenant_id) == [("view.started", "staff", "Ticket 4711")]


def test_a_view_opens_one_tenant_alone(staff: FlaskClient) -> None:
    (seen, _), (other, _) = new_tenant(), new_tenant()
    begin(staff, seen)
    assert staff.get(f"/tenants/{seen}/usage").status_code == 200
    assert staff.get(f"/tenants/{other}/usage").headers["Location"].startswith(f"/staff/tenants/{other}/view")
    begin(staff, other)
    assert staff.get(f"/tenants/{seen}/usage").status_code == 303
    assert [action for action, _, _ in trail(seen)] == ["view.started", "view.stopped"]


def test_everything_but_reading_is_refused(staff: FlaskClient) -> None:
    tenant_id, _ = new_tenant()
    begin(staff, tenant_id)
    page = staff.get(f"/tenants/{tenant_id}/webhooks")
    assert "Add an endpoint" not in page.text
    form = {"csrf_token": csrf_of(page), "url": "https://a.example", "event_types": "invoice.paid"}
    refused = staff.post(f"/tenants/{tenant_id}/webhooks", data=form)
    assert refused.status_code == 403
    assert "read-only" in refused.text
    # These reads would have told Stripe something.
    assert staff.get(f"/tenants/{tenant_id}/plans/change?plan=starter").status_code == 403
    assert staff.get(f"/tenants/{tenant_id}/subscription/cancel").status_code == 403


def test_it_ends_by_the_button_and_the_trail_says_so(staff: FlaskClient) -> None:
    tenant_id, _ = new_tenant()
    page = staff.get(begin(staff, tenant_id))
    stopped = staff.post("/staff/view/stop", data={"csrf_token": csrf_of(page)})
    assert stopped.headers["Location"] == f"/staff/tenants/{tenant_id}"
    assert BANNER not in staff.get(stopped.headers["Location"]).text
    assert staff.get(f"/tenants/{tenant_id}/usage").status_code == 303
    assert [action for action, _, _ in trail(tenant_id)] == ["view.started", "view.stopped"]
    again = staff.post("/staff/view/stop", data={"csrf_token": csrf_of(page)})
    assert again.headers["Location"] == "/staff/tenants"
    assert len(trail(tenant_id)) == 2


def test_it_ends_after_an_hour_whether_or_not_anybody_comes_back(staff: FlaskClient) -> None:
    tenant_id, _ = new_tenant()
    begin(staff, tenant_id)
    move_start_back(59)
    end_staff_views()
    assert staff.get(f"/tenants/{tenant_id}/usage").status_code == 200
    move_start_back(1)
    assert staff.get(f"/tenants/{tenant_id}/usage").status_code == 303
    end_staff_views()
    end_staff_views()
    assert [action for action, _, _ in trail(tenant_id)] == ["view.started", "view.stopped"]
    with unit_of_work() as session:
        view = session.scalars(select(StaffView)).one()
        assert view.stopped_at == view.ends_at <= now()


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201, "a\nb", "a\x00b"])
def test_without_a_reason_there_is_no_view(staff: FlaskClient, reason: str) -> None:
    tenant_id, _ = new_tenant()
    address = f"/staff/tenants/{tenant_id}/view"
    answer = staff.post(address, data={"csrf_token": csrf_of(staff.get(address)), "reason": reason})
    assert answer.status_code == 422
    assert "reason: must be" in answer.text
    assert trail(tenant_id) == []


def test_it_leads_to_the_tenants_pages_and_nowhere_else(staff: FlaskClient) -> None:
    tenant_id, _ = new_tenant()
    own = f"/tenants/{tenant_id}/usage"
    for target in (
        "//evil.example",
        "/staff/queues",
        f"/tenants/{tenant_id}/../../staff",
        f"{own}\\@evil",
        "http://[",
        "",
    ):
        assert begin(staff, tenant_id, to=target) == own, target
    assert begin(staff, tenant_id, to=f"{own}?family=ai") == f"{own}?family=ai"


def test_of_no_tenant_there_is_no_view(staff: FlaskClient) -> None:
    assert staff.get("/staff/tenants/999/view").status_code == 404
    assert staff.get("/tenants/999/usage").status_code == 404


def test_staff_who_are_members_work_for_their_own_tenant_until_they_view_it(app: Flask) -> None:
    tenant_id, _ = new_tenant()
    person = log_in(app, tenant_id, Role.OWNER, staff=True)
    page = person.get(f"/tenants/{tenant_id}/webhooks")
    assert "Add an endpoint" in page.text
    begin(person, tenant_id)
    assert "Add an endpoint" not in person.get(f"/tenants/{tenant_id}/webhooks").text


def test_a_member_sees_who_looked_but_cannot_look_so_himself(app: Flask, staff: FlaskClient) -> None:
    tenant_id, _ = new_tenant()
    begin(staff, tenant_id)
    member = log_in(app, tenant_id)
    page = member.get(f"/tenants/{tenant_id}/usage")
    assert BANNER not in page.text
    form = {"csrf_token": csrf_of(page), "reason": "why not"}
    assert member.post(f"/staff/tenants/{tenant_id}/view", data=form).status_code == 404
    assert member.post("/staff/view/stop", data=form).status_code == 404
