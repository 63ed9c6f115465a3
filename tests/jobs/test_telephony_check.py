"""Our texts and calls against Twilio's records of a day: by job, by command, on the staff page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from dashboard.billing.telephony.phone_numbers import numbers_of
from dashboard.database import db
from dashboard.integrations.twilio import gateway
from dashboard.jobs.telephony import settle_telephony
from dashboard.jobs.telephony_check import check_twilio
from dashboard.models import TelephonyCheck, TelephonyDifference, UsageEvent
from dashboard.wiring import now
from tests.platform import bearer, csrf_of, log_in, new_tenant, run_command, work_off
from tests.sandbox_server import SandboxServer, wait_until
from tests.telephony import ACCOUNT, TOKEN, twilio


@pytest.fixture
def tenant(app: Flask, sandbox: SandboxServer) -> tuple[int, str]:
    """A tenant with a number, at noon: no test runs over midnight."""
    noon = now().replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=1)
    sandbox.advance(advance_to=noon.timestamp())
    return new_tenant()


@pytest.fixture
def yesterday(tenant: tuple[int, str]) -> str:
    """The day on which everything happens, before which the check is run."""
    return now().date().isoformat()


def text(client: FlaskClient, key: str, to: str = "+15551230000") -> None:
    answer = client.post("/api/messages/sms", json={"to": to, "body": "я" * 100}, headers=bearer(key))
    assert answer.status_code == 201


def call(client: FlaskClient, key: str, to: str) -> None:
    assert client.post("/api/calls", json={"to": to, "message": "Hello"}, headers=bearer(key)).status_code == 201


def check(sandbox: SandboxServer) -> TelephonyCheck:
    """The next day's check of this day."""
    wait_until(lambda: sandbox.pending() == 0, "texts and calls to end")
    sandbox.advance(advance_by=86_400)
    check_twilio()
    db.session.rollback()
    return db.session.get_one(TelephonyCheck, now().date() - timedelta(days=1))


def differences() -> set[tuple[str, int | None, int | None, int | None]]:
    found = db.session.scalars(select(TelephonyDifference))
    return {(each.reason, each.tenant_id, each.ours, each.theirs) for each in found}


def receive_text(sandbox: SandboxServer, to: str, body: str = "Hello") -> None:
    """A text comes in, and its webhook goes astray."""
    wanted = {"account": ACCOUNT, "token": TOKEN, "url": "http://127.0.0.1:9", "to": to, "from": "+15557770000"}
    sandbox.post("/_sandbox/inbound/text", {**wanted, "body": body}, base=sandbox.twilio_base)


def test_three_days_are_equal_when_nothing_went_astray(
    client: FlaskClient, sandbox: SandboxServer, tenant: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "PAGE", 2)
    _, key = tenant
    for to in ("+15551230000", "+15551230001", "+15551230002", "+15551230007", "+15551230008", "+15551230009"):
        text(client, key, to)
    for to in ("+15551230042", "+15551230011"):
        call(client, key, to)
    wait_until(lambda: sandbox.pending() == 0, "texts and calls to end")
    sandbox.advance(advance_by=700)
    settle_telephony()
    day = check(sandbox)
    assert (day.texts, day.segments_ours, day.segments_theirs, day.differences) == (4, 8, 8, 0)
    assert (day.calls, day.seconds_ours, day.seconds_theirs, day.undecided) == (2, 42, 42, 0)
    assert len(db.session.scalars(select(TelephonyCheck)).all()) == 3


def test_what_went_astray_is_found_with_its_sid(
    client: FlaskClient, sandbox: SandboxServer, tenant: tuple[int, str], app: Flask, yesterday: str
) -> None:
    tenant_id, key = tenant
    text(client, key, "+15551230000")
    text(client, key, "+15551230001")
    call(client, key, "+15551230042")
    receive_text(sandbox, numbers_of(db.session(), tenant_id)[0])
    receive_text(sandbox, "+15005559999")
    wait_until(lambda: sandbox.pending() == 0, "texts and calls to end")
    deleted, corrected = (twilio().messages.list(to=f"+1555123000{n}")[0].sid or "" for n in (0, 1))
    twilio().messages(deleted).delete()
    original = db.session.scalars(select(UsageEvent).where(UsageEvent.resource_id == corrected)).one()
    wrong = {"usage_type": "SMS_SENT", "quantity": -1, "idempotency_key": "mistaken", "corrects_id": original.id}
    assert client.post("/api/billing/usage/events", json=wrong, headers=bearer(key)).status_code == 201
    day = check(sandbox)
    assert differences() == {
        ("different", tenant_id, 1, 2),
        ("missing_here", tenant_id, None, 1),
        ("missing_here", None, None, 1),
        ("missing_here", tenant_id, None, 42),
        ("missing_there", tenant_id, 2, None),
    }
    assert (day.segments_ours, day.segments_theirs, day.seconds_theirs) == (3, 4, 42)
    page = log_in(app, staff=True).get(f"/staff/twilio/{yesterday}").text
    for shown in (deleted, corrected, "Missing at Twilio", "Missing here", "Differs", "Nobody's number"):
        assert shown in page
    printed = run_command(app, "usage", "check-twilio", code=1)
    assert f"{deleted} tenant {tenant_id}, segments: 2 here, no record at Twilio" in printed
    assert "differences: 5" in printed


def test_a_call_over_midnight_is_compared_once_on_twilios_day(
    client: FlaskClient, sandbox: SandboxServer, tenant: tuple[int, str]
) -> None:
    sandbox.advance(advance_by=12 * 3_600 - 60)
    call(client, tenant[1], "+15551230014")
    wait_until(lambda: sandbox.pending() == 0, "the call to be answered")
    sandbox.advance(advance_by=700)
    twilio().calls(twilio().calls.list()[0].sid or "").update(status="completed")
    settle_telephony()
    day = check(sandbox)
    assert (day.calls, day.differences) == (0, 0)
    before = db.session.get_one(TelephonyCheck, day.day - timedelta(days=1))
    assert (before.calls, before.differences, before.seconds_ours == before.seconds_theirs > 600) == (1, 0, True)


def test_a_day_that_twilio_would_not_tell_is_noted_and_tried_again(
    client: FlaskClient, sandbox: SandboxServer, tenant: tuple[int, str], app: Flask, yesterday: str
) -> None:
    text(client, tenant[1])
    wait_until(lambda: sandbox.pending() == 0, "the text to leave")
    sandbox.advance(advance_by=86_400)
    staff = log_in(app, staff=True)
    form = {"csrf_token": csrf_of(staff.get("/staff/twilio")), "day": yesterday}
    sandbox.fail("GET /2010-04-01", "error_500")
    assert staff.post("/staff/twilio", data=form).status_code == 303
    work_off()
    page = staff.get(f"/staff/twilio/{yesterday}").text
    assert "came to nothing: Twilio" in page
    staff.post("/staff/twilio", data=form)
    work_off()
    page = staff.get(f"/staff/twilio/{yesterday}").text
    assert "came to nothing" not in page
    assert "Every text and call is counted as Twilio counts it." in page


def test_the_pages_are_for_staff_and_answer_any_address(app: Flask) -> None:
    outsider, staff = log_in(app, new_tenant()[0]), log_in(app, staff=True)
    assert [outsider.get(f"/staff/twilio{path}").status_code for path in ("", "/2026-06-14")] == [404, 404]
    asked = {"/2026-06-14": 404, "/today": 404, "?before=x": 400, "?before=2026-06-14": 200, "/1?after=%00": 404}
    assert {path: staff.get(f"/staff/twilio{path}").status_code for path in asked} == asked
    form = {"csrf_token": csrf_of(staff.get("/staff/twilio")), "day": now().date().isoformat()}
    refused = staff.post("/staff/twilio", data=form)
    assert refused.status_code == 422
    assert "must be a day before today" in refused.text
    assert "before today" in run_command(app, "usage", "check-twilio", "--day", "2999-01-01", code=2)
