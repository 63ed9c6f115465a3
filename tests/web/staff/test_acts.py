"""Whatever staff change is in the audit trail: who, on whose behalf, and what; one entry for each act.

A new POST route of staff fails here until `acts_of` says what it writes down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text
from werkzeug.routing import Rule

from dashboard.billing.tenants.audit import INSTALLATION
from dashboard.database import db
from dashboard.jobs import failed_jobs
from dashboard.jobs.metering import sync_meters
from dashboard.jobs.queues import METERING, enqueue
from dashboard.models import (
    AuditEntry,
    BillingProposal,
    MeterEvent,
    ReconciliationCheck,
    ReconciliationFinding,
    SyncRun,
    User,
)
from dashboard.wiring import now, unit_of_work
from tests.factories import make_meters
from tests.platform import log_in, work_off
from tests.web.walking import World, make_world, rules

TEXTS = "SMS_SENT"


@dataclass(frozen=True, slots=True)
class Act:
    """What is sent to a route, and the entry that it leaves: of the tenant, unless it is about the installation."""

    action: str
    form: Mapping[str, object] = field(default_factory=dict)
    ids: Mapping[str, object] = field(default_factory=dict)
    is_of_tenant: bool = True


@pytest.fixture
def world(app: Flask) -> World:
    app.config["WTF_CSRF_ENABLED"] = False
    return make_world(name="Acme")


@pytest.fixture
def staff(app: Flask) -> FlaskClient:
    return log_in(app, staff=True)


def acts_of(world: World) -> dict[str, Act]:
    """Every POST route of staff, in a world where each finds something to do."""
    found = make_work(world.tenant_id)
    batch, lost, accepted, dismissed, finding, run, period = found
    again, dropped = fail_jobs()
    check = {"period": period, "usage_type": TEXTS}
    return {
        "staff.begin_view": Act("view.started", {"reason": "tests"}),
        "staff.end_view": Act("view.stopped"),
        "staff.accept_proposal": Act("proposal.accepted", ids={"proposal_id": accepted}),
        "staff.dismiss_proposal": Act("proposal.dismissed", ids={"proposal_id": dismissed}),
        "staff.create_sync": Act("sync.asked", {"tenant": world.tenant_id, "usage_types": [TEXTS]}),
        "staff.cancel_sync": Act("sync.canceled", ids={"sync_id": run}, is_of_tenant=False),
        "staff.resend_meter_event": Act("meter_event.resent", ids={"event_id": batch}),
        "staff.confirm_meter_event": Act("meter_event.confirmed", ids={"event_id": lost}),
        "staff.resend_meter_events": Act("meter_events.resent", {"code": "archived_meter"}, is_of_tenant=False),
        "staff.start_reconciliation": Act("reconciliation.asked", is_of_tenant=False),
        "staff.compare_again": Act("reconciliation.asked", ids=check),
        "staff.repair_difference": Act("finding.repair_asked", ids={"finding_id": finding}),
        "staff.check_twilio": Act(
            "twilio_check.asked", {"day": str(now().date() - timedelta(days=1))}, is_of_tenant=False
        ),
        "staff.replay_endpoint": Act("webhook.replayed"),
        "staff.requeue_job": Act("job.requeued", ids={"job_id": again}, is_of_tenant=False),
        "staff.drop_job": Act("job.dropped", ids={"job_id": dropped}, is_of_tenant=False),
        "staff.map_price": Act(
            "price.mapped", {"price_id": "price_odd", "plan": "starter", "interval": "monthly"}, is_of_tenant=False
        ),
        "staff.replay_webhook": Act(
            "stripe_event.replayed", ids={"event_id": f"evt_{world.tenant_id}"}, is_of_tenant=False
        ),
        "staff.replay_webhooks": Act("stripe_events.replayed", is_of_tenant=False),
    }


def test_every_act_of_staff_leaves_one_entry_and_a_repeat_none(app: Flask, world: World, staff: FlaskClient) -> None:
    acts = acts_of(world)
    (email,) = db.session.scalars(select(User.email).where(User.is_staff))
    routes = {rule.endpoint: rule for rule in rules(app, "POST") if rule.endpoint.startswith("staff.")}
    assert set(routes) == set(acts), "say in acts_of what these leave in the audit trail, or take them out"
    for endpoint, act in acts.items():
        before = len(entries())
        do(staff, world, routes[endpoint], act)
        new = [(each.actor, each.actor_kind, each.tenant_id, each.action) for each in entries()[before:]]
        tenant_id = world.tenant_id if act.is_of_tenant else INSTALLATION
        assert new == [(email, "staff", tenant_id, act.action)], f"{endpoint} is not in the audit trail"
    before = len(entries())
    for endpoint in ("staff.end_view", "staff.accept_proposal", "staff.dismiss_proposal", "staff.cancel_sync"):
        do(staff, world, routes[endpoint], acts[endpoint])
    assert entries()[before:] == []


def do(staff: FlaskClient, world: World, rule: Rule, act: Act) -> None:
    address = world.address(rule, **act.ids)
    answer = staff.post(address, data={**act.form})
    assert answer.status_code == 303, f"{answer.status_code} at {address}"


def entries() -> list[AuditEntry]:
    """All there are, of every tenant, the oldest first."""
    db.session.rollback()
    return list(db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)))


def make_work(tenant_id: int) -> tuple[int, int, int, int, int, int, str]:
    """A refused batch and one whose answer was lost, two proposals, a finding, a queued sync, a checked period."""
    at = now().replace(microsecond=0) - timedelta(days=2)
    start, end = at - timedelta(days=8), at + timedelta(days=22)
    usage: dict[str, Any] = {"tenant_id": tenant_id, "usage_type": TEXTS}
    with unit_of_work() as session:
        make_meters(session)
        payload = '{"type": "invoice.paid", "data": {"object": {"id": "in_1", "object": "invoice"}}}'
        session.execute(text("UPDATE stripe_events SET type = 'invoice.paid', payload = :body"), {"body": payload})
        lost = MeterEvent(
            **usage,
            identifier="lost-1",
            bucket_start=at,
            sequence=2,
            event_name="sms_sent",
            payload={},
            value=1,
            timestamp=at,
            state="rejected",
            error_code="unconfirmed",
            claimed_at=at,
        )
        proposals = [
            BillingProposal(
                **usage,
                kind="invoice_item",
                quantity=1,
                amount=0,
                currency="usd",
                period_start=start,
                period_end=end,
                reason="late",
                dedupe_key=key,
                created_at=at,
            )
            for key in ("accepted", "dismissed")
        ]
        check = ReconciliationCheck(
            **usage,
            period_start=start,
            period_end=end,
            ledger=7,
            events=1,
            told=7,
            summary=0,
            proposed=0,
            state="different",
            checked_at=at,
            verified_at=at,
        )
        finding = ReconciliationFinding(
            **usage,
            key="dropped:1",
            kind="dropped",
            period_start=start,
            hour=at,
            expected=7,
            found=0,
            repair="resend",
            found_at=at,
            seen_at=at,
        )
        run = SyncRun(state="queued", started_by="tests", requested_at=at, heartbeat_at=at)
        session.add_all([lost, *proposals, check, finding, run])
        session.flush()
        refused = session.scalars(select(MeterEvent.id).where(MeterEvent.identifier == "cus-1")).one()
        ids = refused, lost.id, proposals[0].id, proposals[1].id, finding.id, run.id
    return *ids, str(int(start.timestamp()))


def fail_jobs() -> list[str]:
    """The ids of two jobs that raised."""
    for _ in range(2):
        enqueue(METERING, sync_meters, "no run")
    work_off()
    return [job.id for job in failed_jobs.list_failed_jobs()]
