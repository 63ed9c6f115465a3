"""Texts and calls that come in: to whom they belong, counted once, kept when nobody has the number yet."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from dashboard.database import db
from dashboard.models import Call, Tenant, UnassignedCallback, UsageEvent
from tests.platform import bearer, new_tenant, run_command
from tests.telephony import CALL_SID, TEXT_SID, post_form, post_json, totals

NUMBER, CALLER = "+15005550123", "+15551239999"
TEXT = {"MessageSid": TEXT_SID, "SmsStatus": "received", "To": NUMBER, "From": CALLER, "NumSegments": "3", "Body": "Hi"}
RINGING = {"CallSid": CALL_SID, "CallStatus": "ringing", "Direction": "inbound", "To": NUMBER, "From": CALLER}
COMPLETED = {**RINGING, "CallStatus": "completed", "CallDuration": "61"}


def kept() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(UnassignedCallback)) or 0


def test_a_text_that_comes_in_counts_by_segment_for_the_tenant_that_has_the_number(client: FlaskClient) -> None:
    new_tenant()
    tenant_id, _ = new_tenant(sms_from=NUMBER)
    for _ in range(3):
        answer = post_form(client, "/api/twilio/sms", TEXT)
        assert (answer.status_code, answer.mimetype) == (200, "text/xml")
        assert answer.text.endswith("<Response/>")
    event = db.session.scalars(select(UsageEvent)).one()
    assert (event.tenant_id, event.usage_type, event.quantity) == (tenant_id, "SMS_RECEIVED", 3)
    assert (event.resource_id, event.details) == (TEXT_SID, {"to": NUMBER, "from": CALLER})


def test_a_call_that_comes_in_counts_when_it_has_ended(client: FlaskClient) -> None:
    tenant_id, key = new_tenant(sms_from=NUMBER)
    answer = post_form(client, "/api/twilio/voice", RINGING)
    assert "<Say>" in answer.text
    assert "<Hangup/>" in answer.text
    assert totals() == {}
    for form in (COMPLETED, RINGING, COMPLETED):
        assert post_form(client, "/api/twilio/voice/status", form).status_code == 200
    assert totals() == {"CALL_RECEIVED": 1, "CALL_DURATION_SECONDS": 61}
    call = db.session.scalars(select(Call)).one()
    assert (call.tenant_id, call.direction, call.status) == (tenant_id, "inbound", "completed")
    assert client.get(f"/api/calls/{call.id}", headers=bearer(key)).json["duration_seconds"] == 61


def test_a_call_whose_beginning_was_never_told_counts_by_its_end(client: FlaskClient) -> None:
    new_tenant(sms_from=NUMBER)
    post_form(client, "/api/twilio/voice/status", COMPLETED)
    assert totals() == {"CALL_RECEIVED": 1, "CALL_DURATION_SECONDS": 61}


def test_a_call_that_was_given_up_before_it_was_answered_does_not_count(client: FlaskClient) -> None:
    new_tenant(sms_from=NUMBER)
    post_form(client, "/api/twilio/voice", RINGING)
    post_form(client, "/api/twilio/voice/status", {**RINGING, "CallStatus": "no-answer", "CallDuration": "0"})
    assert totals() == {}


def test_json_counts_as_a_form_does(client: FlaskClient) -> None:
    new_tenant(sms_from=NUMBER)
    assert post_json(client, "/api/twilio/sms", {**TEXT, "NumSegments": 3}).status_code == 200
    assert post_form(client, "/api/twilio/sms", TEXT).status_code == 200
    assert totals() == {"SMS_RECEIVED": 3}


def test_what_comes_in_at_a_number_nobody_has_is_kept_and_recorded_when_it_is_assigned(
    app: Flask, client: FlaskClient
) -> None:
    tenant_id, _ = new_tenant(sms_from=None)
    for _ in range(2):
        post_form(client, "/api/twilio/sms", TEXT)
        post_form(client, "/api/twilio/voice/status", COMPLETED)
        post_form(client, "/api/twilio/voice", RINGING)
    assert (totals(), kept()) == ({}, 3)
    received_at = db.session.scalars(select(UnassignedCallback.received_at).limit(1)).one()
    assert "3 kept webhooks" in run_command(app, "accounts", "assign-number", str(tenant_id), NUMBER)
    counted = {"SMS_RECEIVED": 3, "CALL_RECEIVED": 1, "CALL_DURATION_SECONDS": 61}
    assert (totals(), kept()) == (counted, 0)
    text = db.session.scalars(select(UsageEvent).where(UsageEvent.usage_type == "SMS_RECEIVED")).one()
    assert abs((text.occurred_at - received_at).total_seconds()) < 60
    post_form(client, "/api/twilio/sms", TEXT)
    post_form(client, "/api/twilio/voice/status", COMPLETED)
    assert (totals(), kept()) == (counted, 0)


def test_a_number_belongs_to_one_tenant(app: Flask) -> None:
    one, _ = new_tenant(sms_from=None)
    other, _ = new_tenant()
    run_command(app, "accounts", "assign-number", str(one), NUMBER)
    assert "0 kept webhooks" in run_command(app, "accounts", "assign-number", str(one), NUMBER)
    assert "belongs to another tenant" in run_command(app, "accounts", "assign-number", str(other), NUMBER, code=1)
    taken = ("accounts", "create-tenant", "Late", "--email", "late@tenant.example", "--sms-from", NUMBER)
    assert "sms_from" in run_command(app, *taken, code=1)
    assert "number: must be" in run_command(app, "accounts", "assign-number", str(one), "555", code=1)
    assert "there is no tenant 99" in run_command(app, "accounts", "assign-number", "99", NUMBER, code=1)
    assert db.session.get_one(Tenant, one).sms_from == NUMBER


@pytest.mark.parametrize(
    ("path", "form"),
    [("/api/twilio/sms", TEXT), ("/api/twilio/voice", RINGING), ("/api/twilio/voice/status", COMPLETED)],
)
def test_what_twilio_did_not_sign_leaves_nothing(client: FlaskClient, path: str, form: dict[str, str]) -> None:
    new_tenant(sms_from=NUMBER)
    for unsigned in (form, {**form, "To": "+15005550124"}):
        assert client.post(path, data=unsigned).status_code == 403
        assert post_form(client, path, unsigned, token="another token").status_code == 403
        assert client.post(path, json=unsigned).status_code == 403
    assert (totals(), kept(), db.session.scalar(select(func.count()).select_from(Call))) == ({}, 0, 0)


@pytest.mark.parametrize(
    ("path", "form", "change", "field"),
    [
        ("/api/twilio/sms", TEXT, {"MessageSid": ""}, "MessageSid"),
        ("/api/twilio/sms", TEXT, {"MessageSid": "SMnone"}, "MessageSid"),
        ("/api/twilio/sms", TEXT, {"To": ""}, "To"),
        ("/api/twilio/sms", TEXT, {"NumSegments": "many"}, "NumSegments"),
        ("/api/twilio/sms", TEXT, {"SmsStatus": "delivered"}, "SmsStatus"),
        ("/api/twilio/voice", RINGING, {"CallSid": TEXT_SID}, "CallSid"),
        ("/api/twilio/voice", RINGING, {"CallStatus": ""}, "CallStatus"),
        ("/api/twilio/voice", RINGING, {"Direction": "outbound-api"}, "Direction"),
        ("/api/twilio/voice/status", COMPLETED, {"CallDuration": "-1"}, "CallDuration"),
        ("/api/twilio/voice/status", COMPLETED, {"From": "a\x00b"}, "From"),
    ],
)
def test_a_malformed_webhook_is_a_400_that_names_the_field(
    client: FlaskClient, path: str, form: dict[str, str], change: dict[str, Any], field: str
) -> None:
    new_tenant(sms_from=NUMBER)
    answer = post_form(client, path, {**form, **change})
    assert (answer.status_code, answer.json["detail"].startswith(f"{field}:")) == (400, True)
    assert totals() == {}
