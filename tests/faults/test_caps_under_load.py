"""A cap holds when everybody sends at once: what is left is sent, and not one more."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.billing.ledger.rollups import verify_rollups
from dashboard.billing.ledger.usage import record_usage
from dashboard.billing.ledger.usage_input import parse_usage
from dashboard.billing.limits.limits import set_cap
from dashboard.database import db
from dashboard.models import Tenant, UsageEvent, UsageReservation
from dashboard.wiring import now, unit_of_work, wiring
from tests.factories import make_period, usage_body
from tests.platform import bearer, new_tenant
from tests.sandbox_server import SandboxServer
from tests.served import ServedApp

SENDS = 200
CAP = 90
USED = 40
LEFT = CAP - USED


def subscribe(session: Session, tenant_id: int) -> None:
    """A plan in force, so that the tenant's own cap is what stops it, not the allowance of Free."""
    make_period(session, session.get_one(Tenant, tenant_id), now() - timedelta(days=1), now() + timedelta(days=29))


def texts_at_twilio(sandbox: SandboxServer) -> int:
    """How many texts Twilio was asked to send, over all pages."""
    count, path = 0, f"/2010-04-01/Accounts/AC{'1' * 32}/Messages.json"
    while path:
        page = requests.get(
            f"{sandbox.twilio_base}{path}", auth=("AC" + "1" * 32, "token-of-the-tests"), timeout=10
        ).json()
        count += len(page["messages"])
        path = page["next_page_uri"]
    return count


def send_at_once(base: str, key: str, numbers: list[str]) -> Counter[int]:
    """One text to each number, all at the same time: how many were answered with which status."""

    def send(number: str) -> int:
        body: dict[str, Any] = {"to": number, "body": "See you at 9:30"}
        return requests.post(f"{base}/api/messages/sms", json=body, headers=bearer(key), timeout=60).status_code

    with ThreadPoolExecutor(len(numbers)) as senders:
        return Counter(senders.map(send, numbers))


def test_of_200_texts_sent_at_once_with_50_left_exactly_50_reach_twilio(
    app: Flask, sandbox: SandboxServer, tmp_path: Path
) -> None:
    tenant_id, key = new_tenant()
    with unit_of_work() as session:
        set_cap(session, tenant_id, "SMS_SENT", CAP, set_by="test", now=now())
        used = parse_usage(usage_body(quantity=USED), now())
        subscribe(session, tenant_id)
        record_usage(session, tenant_id, used, source="test", now=now())
    with ServedApp(wiring().settings, tmp_path) as server:
        answers = send_at_once(server.base, key, [f"+1555123{n:04}" for n in range(1_000, 1_000 + SENDS)])
    assert answers == {201: LEFT, 402: SENDS - LEFT}
    assert texts_at_twilio(sandbox) == LEFT
    db.session.rollback()
    assert db.session.scalar(select(func.sum(UsageEvent.quantity)).where(UsageEvent.usage_type == "SMS_SENT")) == CAP
    assert db.session.scalar(select(func.count()).select_from(UsageReservation)) == 0
    assert verify_rollups(db.session()) == []


def test_texts_that_twilio_refuses_give_their_places_back(app: Flask, sandbox: SandboxServer, tmp_path: Path) -> None:
    tenant_id, key = new_tenant()
    with unit_of_work() as session:
        subscribe(session, tenant_id)
        set_cap(session, tenant_id, "SMS_SENT", LEFT, set_by="test", now=now())
    with ServedApp(wiring().settings, tmp_path) as server:
        sandbox.fail("POST /2010-04-01", "rate_limit", times=30)
        first = send_at_once(server.base, key, [f"+1555123{n:04}" for n in range(1_000, 1_000 + LEFT)])
        assert first == {201: LEFT - 30, 422: 30}
        again = send_at_once(server.base, key, [f"+1555124{n:04}" for n in range(1_000, 1_000 + SENDS)])
    assert again == {201: 30, 402: SENDS - 30}
    assert texts_at_twilio(sandbox) == LEFT
