"""Budgets, alerts and notices as people set and read them."""

from __future__ import annotations

import re

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dashboard.billing.limits.alert_limits import read_limits
from dashboard.billing.notices.notices import NoticeKind, list_notices, store_notice
from dashboard.billing.tenants.audit import list_audit
from dashboard.models import Role, Tenant
from dashboard.wiring import now, unit_of_work
from tests.factories import record
from tests.platform import bearer, csrf_of, log_in, new_tenant


def send(browser: FlaskClient, tenant_id: int, **fields: str) -> TestResponse:
    """The form as the page has it, with these fields changed."""
    path = f"/tenants/{tenant_id}/settings/alerts"
    page = browser.get(path)
    values = dict(re.findall(r'<input[^>]*name="([A-Z_a-z.]+)"[^>]*value="([^"]*)"', page.text))
    values.pop("budget.stops", None)
    values["csrf_token"] = csrf_of(page)
    return browser.post(path, data={**values, **fields})


def test_limits_are_set_shown_written_down_and_kept_as_they_are(app: Flask, tenant_id: int) -> None:
    browser = log_in(app, tenant_id)
    fields = {"budget.amount": "50.5", "budget.percents": "90", "SMS_SENT.units": "1000", "SMS_SENT.cap": "2000"}
    assert send(browser, tenant_id, **fields, **{"budget.stops": "yes"}).status_code == 303
    with unit_of_work() as session:
        limits = read_limits(session, tenant_id)
        acts = [each.action for each in list_audit(session, tenant_id)[0]]
    assert (limits.budget, limits.stops, dict(limits.caps)) == (5050, True, {"SMS_SENT": 2000})
    assert limits.rules["SMS_SENT"].units == (1000,)
    assert sorted(acts) == ["alerts.changed", "budget.set", "cap.set"]
    page = browser.get(f"/tenants/{tenant_id}/settings/alerts").text
    assert 'value="50.50"' in page
    assert 'value="2000"' in page
    assert send(browser, tenant_id, **{"budget.stops": "yes"}).status_code == 303
    with unit_of_work() as session:
        assert read_limits(session, tenant_id) == limits
        assert len(list_audit(session, tenant_id)[0]) == 3
    send(browser, tenant_id, **{"budget.amount": "", "SMS_SENT.cap": ""})
    with unit_of_work() as session:
        assert (read_limits(session, tenant_id).budget, dict(read_limits(session, tenant_id).caps)) == (None, {})


def test_what_would_stop_at_once_is_asked_about_first(app: Flask, tenant_id: int) -> None:
    with unit_of_work() as session:
        record(session, session.get_one(Tenant, tenant_id), usage_type="CONTACT_CREATED", quantity=9, now=now())
    browser = log_in(app, tenant_id)
    asked = send(browser, tenant_id, **{"CONTACT_CREATED.cap": "5"})
    assert asked.status_code == 200
    assert "This would stop at once: Contacts created" in asked.text
    with unit_of_work() as session:
        assert dict(read_limits(session, tenant_id).caps) == {}
    assert send(browser, tenant_id, **{"CONTACT_CREATED.cap": "5"}, confirmed="yes").status_code == 303
    assert "Stopped now: Contacts created" in browser.get(f"/tenants/{tenant_id}/settings/alerts").text


def test_wrong_fields_are_named_and_viewers_and_staff_only_read(app: Flask, tenant_id: int) -> None:
    browser = log_in(app, tenant_id)
    answer = send(browser, tenant_id, **{"SMS_SENT.units": "<script>alert(1)</script>", "budget.amount": "cheap"})
    assert answer.status_code == 422
    assert "2 fields need a look" in answer.text
    assert "must be whole numbers with commas between" in answer.text
    assert "<script>alert" not in answer.text
    viewer = log_in(app, tenant_id, Role.VIEWER)
    page = viewer.get(f"/tenants/{tenant_id}/settings/alerts")
    assert "An owner or admin of this account can change this." in page.text
    for reader in (viewer, log_in(app, staff=True)):
        token = csrf_of(reader.get("/", follow_redirects=True))
        answer = reader.post(f"/tenants/{tenant_id}/settings/alerts", data={"csrf_token": token, "SMS_SENT.cap": "1"})
        assert answer.status_code == 403


def test_a_refused_reservation_is_told_behind_the_bell_once(app: Flask) -> None:
    tenant_id, key = new_tenant()
    client = app.test_client()
    client.put("/api/billing/usage/caps/CONTACT_CREATED", json={"quantity": 1}, headers=bearer(key))
    for n in range(2):
        body = {"usage_type": "CONTACT_CREATED", "quantity": 2, "key": f"k{n}"}
        answer = client.post("/api/billing/usage/reservations", json=body, headers=bearer(key))
        assert answer.status_code == 402
    browser = log_in(app, tenant_id)
    page = browser.get(f"/tenants/{tenant_id}/notices")
    assert 'aria-label="Notices: 1 unread"' in page.text
    assert "Contacts created is stopped by its cap" in page.text
    with unit_of_work() as session:
        (notice,) = list_notices(session, tenant_id)
        (act,) = list_audit(session, tenant_id)[0]
        assert (act.actor, act.actor_kind, act.details) == ("tests", "api_key", {"quantity": [None, 1]})
        notice_id = notice.id
    form = {"csrf_token": csrf_of(page), "up_to": str(notice_id)}
    assert browser.post(f"/tenants/{tenant_id}/notices/read", data=form).status_code == 303
    assert 'aria-label="Notices"' in browser.get(f"/tenants/{tenant_id}/usage").text


def test_every_kind_of_notice_has_words_and_a_page(app: Flask, tenant_id: int) -> None:
    period = {"period_start": "2026-06-01T00:00:00+00:00", "period_end": "2026-07-01T00:00:00+00:00"}
    facts = {
        "usage_type": "SMS_SENT",
        "label": "SMS sent",
        "units_label": "segments",
        "used": 1200,
        "included": 1000,
        "percent": 100,
        "threshold": 1200,
        "cap": 1200,
        "amount": 5000,
        "cost": 5100,
        "currency": "usd",
        "stops": True,
        "plan": "starter",
        "amount_owed": 700,
        "amount_remaining": 700,
        "status": "unpaid",
        "number": "<script>alert(1)</script>",
        "next_payment_attempt": None,
        "invoice_id": None,
    }
    with unit_of_work() as session:
        for kind in NoticeKind:
            store_notice(session, tenant_id, kind, {**facts, **period}, key=kind, now=now())
    browser = log_in(app, tenant_id)
    page = browser.get(f"/tenants/{tenant_id}/notices").text
    assert page.count('class="unread"') == len(NoticeKind)
    for words in (
        "100% of what your plan includes",
        "$51.00",
        "1,200 segments reached",
        "Jun 1 – 30, 2026",
        "Sending is",
    ):
        assert words in page
    assert "<script>alert" not in page
    wants = csrf_of(browser.get(f"/tenants/{tenant_id}/notices"))
    answer = browser.post(
        f"/tenants/{tenant_id}/notices/mail", data={"csrf_token": wants, "wants_mail": "no"}, follow_redirects=True
    )
    assert "Send them by e-mail too" in answer.text
    assert browser.get(f"/tenants/{tenant_id}/notices?before=-5").status_code == 200
    assert browser.get(f"/tenants/{tenant_id}/notices?before=x").status_code == 200
