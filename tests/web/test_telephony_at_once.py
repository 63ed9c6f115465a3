"""Two at once: callbacks, requests and the giving of a number, each in a transaction of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from dashboard.billing.telephony import inbound
from dashboard.database import db
from dashboard.models import Tenant, TextMessage, UnassignedCallback
from dashboard.wiring import now, unit_of_work
from tests.platform import bearer, new_tenant
from tests.telephony import CALL_SID, TEXT_SID, only_call, only_text, post_form, tell_call, tell_text, totals

SENDERS = 4
R = TypeVar("R")


def at_once(work: Callable[[int], R]) -> list[R]:
    """The same work from several threads that begin together."""
    barrier = Barrier(SENDERS)

    def begin(n: int) -> R:
        barrier.wait(timeout=30)
        return work(n)

    with ThreadPoolExecutor(SENDERS) as pool:
        return list(pool.map(begin, range(SENDERS)))


def test_callbacks_of_a_text_that_failed_come_at_once(app: Flask, client: FlaskClient) -> None:
    _, key = new_tenant()
    client.post("/api/messages/sms", json={"to": "+15551230000", "body": "Hello"}, headers=bearer(key))
    message = only_text()
    db.session.expunge(message)
    assert at_once(lambda _: tell_text(app.test_client(), message, "failed")) == [204] * SENDERS
    assert totals() == {"SMS_SENT": 0}


def test_callbacks_of_a_call_come_at_once(app: Flask, client: FlaskClient) -> None:
    _, key = new_tenant()
    client.post("/api/calls", json={"to": "+15551230000", "message": "Hello"}, headers=bearer(key))
    call = only_call()
    db.session.expunge(call)
    statuses = ["completed", "busy", "completed", "ringing"]
    told = at_once(lambda n: tell_call(app.test_client(), call, statuses[n], CallDuration="9"))
    assert told == [204] * SENDERS
    assert totals() == {"CALL_MADE": 1, "CALL_DURATION_SECONDS": 9}


def test_one_key_at_once_sends_one_text(app: Flask) -> None:
    _, key = new_tenant()
    headers = {**bearer(key), "Idempotency-Key": "one"}
    text = {"to": "+15551230000", "body": "Hello"}
    told = at_once(lambda _: app.test_client().post("/api/messages/sms", json=text, headers=headers).status_code)
    assert told.count(201) == 1
    assert set(told) <= {200, 201, 409}
    assert totals() == {"SMS_SENT": 1}
    assert db.session.scalar(select(func.count()).select_from(TextMessage)) == 1


@pytest.mark.parametrize("path", ["sms", "voice/status"])
def test_a_webhook_and_the_giving_of_its_number_at_once_lose_nothing(app: Flask, path: str) -> None:
    tenant_id, _ = new_tenant(sms_from=None)
    numbers = {"To": "+15005550199", "From": "+15551239999"}
    text = {"MessageSid": TEXT_SID, "SmsStatus": "received", "NumSegments": "2", **numbers}
    call = {"CallSid": CALL_SID, "CallStatus": "completed", "Direction": "inbound", "CallDuration": "7", **numbers}
    form = text if path == "sms" else call

    def work(n: int) -> None:
        if n:
            assert post_form(app.test_client(), f"/api/twilio/{path}", form).status_code == 200
            return
        with app.app_context(), unit_of_work() as session:
            inbound.assign_number(session, session.get_one(Tenant, tenant_id), numbers["To"], now())

    at_once(work)
    assert totals() == ({"SMS_RECEIVED": 2} if path == "sms" else {"CALL_RECEIVED": 1, "CALL_DURATION_SECONDS": 7})
    assert db.session.scalar(select(func.count()).select_from(UnassignedCallback)) == 0
