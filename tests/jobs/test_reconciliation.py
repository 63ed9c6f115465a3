"""Reconciliation through Stripe's sandbox: each difference is named by its hour and batch, and repaired once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import event, select, text

from dashboard.billing.ledger.rollups import verify_rollups
from dashboard.billing.reconciliation.checked_invoices import find_checked
from dashboard.database import db
from dashboard.jobs.metering import send_usage_of
from dashboard.jobs.reconciliation import reconcile_due, reconcile_period, repair_finding
from dashboard.models import (
    BillingPeriod,
    BillingProposal,
    Invoice,
    MeterEvent,
    ReconciliationCheck,
    ReconciliationFinding,
)
from dashboard.wiring import now, unit_of_work, wiring
from tests.faults.meter_lives import Life
from tests.faults.meter_world import World
from tests.platform import csrf_of, log_in, run_command, set_up_stripe, work_off
from tests.sandbox_server import SandboxServer

HOUR = timedelta(hours=1)


@pytest.fixture
def more_settings() -> dict[str, object]:
    """Stripe's summaries follow at once."""
    return {"reconciliation_delay": 0}


@pytest.fixture
def life(app: Flask, sandbox: SandboxServer) -> Life:
    """A tenant that subscribed five hours ago."""
    set_up_stripe()
    world = World(app, sandbox.stripe_base)
    world.hurry()
    life = Life.begin(world)
    sandbox.advance(advance_by=5 * 3_600)
    return life


def findings(life: Life, state: str | None = "open") -> list[ReconciliationFinding]:
    """The findings of a state, or all."""
    db.session.rollback()
    rows = select(ReconciliationFinding).where(ReconciliationFinding.tenant_id == life.tenant_id)
    if state:
        rows = rows.where(ReconciliationFinding.state == state)
    found = list(db.session.scalars(rows.order_by(ReconciliationFinding.id)))
    db.session.expunge_all()
    return found


def batch_of(life: Life, usage_type: str, hour: datetime | None = None) -> MeterEvent:
    """The newest batch of a usage type, of one hour if it is given."""
    db.session.rollback()
    rows = select(MeterEvent).where(MeterEvent.tenant_id == life.tenant_id, MeterEvent.usage_type == usage_type)
    if hour is not None:
        rows = rows.where(MeterEvent.bucket_start == hour)
    found = db.session.scalars(rows.order_by(MeterEvent.id.desc())).first() or pytest.fail("no batch")
    db.session.expunge_all()
    return found


def look(life: Life) -> str:
    """Reconcile the first period; its state."""
    concluded = reconcile_period(life.tenant_id, life.start)
    assert concluded is not None
    return concluded.state


def check_of(life: Life, usage_type: str = "SMS_SENT") -> ReconciliationCheck:
    db.session.rollback()
    return db.session.get_one(ReconciliationCheck, (life.tenant_id, life.start, usage_type), populate_existing=True)


def test_one_dropped_one_doubled_and_one_refused_batch_are_named_and_repaired_once(life: Life, app: Flask) -> None:
    meters = {each.event_name: each for each in life.world.stripe.v1.billing.meters.list({"limit": 100}).data}
    life.record("SMS_SENT", 7, 3 * HOUR)
    life.record("SMS_SENT", 5, 2 * HOUR)
    life.record("CALL_DURATION_SECONDS", 60, 2 * HOUR)
    life.record("AI_MESSAGE_GENERATED", 3, 2 * HOUR)
    life.world.stripe.v1.billing.meters.deactivate(meters["ai_message_generated"].id)
    life.sync()
    life.world.stripe.v1.billing.meters.reactivate(meters["ai_message_generated"].id)
    assert look(life) == "different"
    refused = batch_of(life, "AI_MESSAGE_GENERATED")
    doubled = batch_of(life, "CALL_DURATION_SECONDS")
    dropped = batch_of(life, "SMS_SENT")
    life.lose(dropped)
    life.deliver(doubled, "somebody-else")
    look(life)
    found = {(each.kind, each.hour, each.identifier, each.expected, each.found) for each in findings(life)}
    assert found == {
        ("dropped", dropped.bucket_start.replace(minute=0, second=0), dropped.identifier, dropped.value, 0),
        ("doubled", doubled.bucket_start.replace(minute=0, second=0), doubled.identifier, 60, 120),
        ("refused", refused.bucket_start.replace(minute=0, second=0), refused.identifier, 3, 0),
    }
    staff = log_in(app, staff=True)
    page = staff.get("/staff/reconciliation")
    assert all(word in page.text for word in ("Dropped batch", "Doubled batch", "Refused batch", dropped.identifier))
    form = {"csrf_token": csrf_of(page)}
    for each in findings(life):
        for _ in range(2):  # pressed twice
            where = f"/staff/reconciliation/{life.tenant_id}/findings/{each.id}/repair"
            assert staff.post(where, data=form).status_code == 303
        work_off()
    assert [each.state for each in findings(life, None)] == ["repaired"] * 3
    assert look(life) == "waiting"
    assert findings(life) == []
    for usage_type, expected in (("SMS_SENT", 12), ("CALL_DURATION_SECONDS", 60), ("AI_MESSAGE_GENERATED", 3)):
        assert life.at_stripe(usage_type, life.start, life.end) == expected
    extra = db.session.scalars(select(MeterEvent.kind).where(MeterEvent.kind != "usage").order_by(MeterEvent.kind))
    assert extra.all() == ["repair", "resend", "resend"]


def test_what_was_sent_lately_is_not_judged(life: Life) -> None:
    life.record("SMS_SENT", 7, 2 * HOUR)
    life.sync()
    life.lose(batch_of(life, "SMS_SENT"))
    settings = wiring().settings.model_copy(update={"reconciliation_delay": 3_600})
    object.__setattr__(wiring(), "settings", settings)
    assert look(life) == "waiting"
    assert (check_of(life).reason, findings(life)) == ("settling", [])
    life.world.control("clock", {"advance_by": 3_700})
    assert look(life) == "different"


def test_a_look_at_a_period_asks_little_of_the_database(life: Life) -> None:
    life.record("SMS_SENT", 7, 2 * HOUR)
    life.sync()
    look(life)
    asked: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        look(life)
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert len(asked) <= 16, asked


def test_a_month_is_settled_when_ledger_meter_and_invoice_are_equal(life: Life, app: Flask) -> None:
    life.record("SMS_SENT", 100, 2 * HOUR)
    life.record("SMS_SENT", 31, HOUR)
    life.record("STORAGE_USED_MB", 900, HOUR)
    life.sync()
    reconcile_due()
    assert (check_of(life).state, check_of(life).reason) == ("waiting", "period")
    life.world.advance_to(life.end + 10 * timedelta(minutes=1))
    life.mirror()
    life.mirror_invoice()
    assert look(life) == "waiting"
    assert check_of(life).reason == "draft"
    life.world.advance_to(life.end + 2 * HOUR)
    life.mirror()
    life.mirror_invoice()
    assert look(life) == "equal"
    check = check_of(life)
    assert (check.ledger, check.told, check.summary, check.invoiced, check.events) == (131, 131, 131, 131, 2)
    assert check_of(life, "STORAGE_USED_MB").invoiced == 900
    period = db.session.get_one(BillingPeriod, (life.tenant_id, life.start), populate_existing=True)
    assert period.check_due_at is None
    browser = log_in(app, life.tenant_id)
    invoice = db.session.scalars(select(Invoice).where(Invoice.billing_reason == "subscription_cycle")).one()
    assert find_checked(db.session(), life.tenant_id, invoice.id).events == 3
    where = f"/tenants/{life.tenant_id}/invoices/{invoice.id}"
    assert "Checked against 3 actions" in browser.get(where).text
    assert "Checked against 3 actions" in browser.get(f"{where}/checked").text
    outsider = log_in(app, None)
    assert outsider.get(f"{where}/checked").status_code == 404


def test_a_batch_that_is_lost_for_a_final_invoice_is_proposed_once(life: Life) -> None:
    life.world.advance_to(life.end - 3 * HOUR)
    life.record("SMS_SENT", 150, HOUR)
    life.sync()
    life.lose(batch_of(life, "SMS_SENT"))
    life.world.advance_to(life.end + 3 * HOUR)
    life.mirror()
    life.mirror_invoice()
    look(life)
    (finding,) = findings(life)
    assert (finding.kind, finding.repair) == ("dropped", "invoice_item")
    assert repair_finding(life.tenant_id, finding.id, "staff")
    assert not repair_finding(life.tenant_id, finding.id, "staff")
    proposal = db.session.scalars(select(BillingProposal)).one()
    assert (proposal.kind, proposal.quantity, proposal.amount) == ("invoice_item", 150, 120)  # 50 at 2.4 cents
    assert look(life) == "equal"


def test_a_doubled_batch_on_a_final_invoice_is_to_be_credited(life: Life) -> None:
    life.world.advance_to(life.end - 3 * HOUR)
    life.record("SMS_SENT", 150, HOUR)
    life.sync()
    life.deliver(batch_of(life, "SMS_SENT"), "somebody-else")
    life.world.advance_to(life.end + 3 * HOUR)
    life.mirror()
    life.mirror_invoice()
    look(life)
    (finding,) = findings(life)
    assert (finding.kind, finding.repair) == ("doubled", "credit_note")
    assert repair_finding(life.tenant_id, finding.id, "staff")
    proposal = db.session.scalars(select(BillingProposal)).one()
    assert (proposal.kind, proposal.quantity, proposal.amount) == ("credit_note", 150, 360)
    assert look(life) == "equal"


def test_a_replaced_batch_that_counts_after_all_is_taken_back(life: Life) -> None:
    life.record("SMS_SENT", 7, 2 * HOUR)
    life.sync()
    lost = batch_of(life, "SMS_SENT")
    life.lose(lost)
    look(life)
    (finding,) = findings(life)
    repair_finding(life.tenant_id, finding.id, "staff")
    send_usage_of(life.tenant_id)
    with unit_of_work() as session:  # as if the lost one had come late, under its own identifier
        old = session.get_one(MeterEvent, (life.tenant_id, lost.id))
        assert old.state == "superseded"
    life.deliver(lost, "late-copy")
    look(life)
    (finding,) = findings(life)
    assert (finding.kind, finding.repair, finding.identifier) == ("doubled", "cancel", lost.identifier)


def test_a_rollup_that_was_tampered_with_is_added_up_again(life: Life) -> None:
    life.record("SMS_SENT", 7, 2 * HOUR)
    life.sync()
    with unit_of_work() as session:
        for table in ("usage_rollups", "usage_days"):
            session.execute(text(f"UPDATE {table} SET quantity = 9"))
    look(life)
    (finding,) = findings(life)
    assert (finding.kind, finding.expected, finding.found) == ("rollup", 7, 9)
    assert repair_finding(life.tenant_id, finding.id, "staff")
    with unit_of_work() as session:
        assert verify_rollups(session) == []
    life.sync()
    assert look(life) == "waiting"
    assert life.at_stripe("SMS_SENT", life.start, life.end) == 7


def test_the_command_says_what_differs_and_repairs_it(life: Life, app: Flask) -> None:
    life.record("SMS_SENT", 7, 2 * HOUR)
    life.sync()
    lost = batch_of(life, "SMS_SENT")
    life.lose(lost)
    tenant = str(life.tenant_id)
    said = run_command(app, "usage", "reconcile", "--tenant", tenant, code=1)
    assert f"Stripe took batch {lost.identifier}" in said
    assert "1 different" in said
    day = now().date().isoformat()
    said = run_command(app, "usage", "reconcile", "--type", "SMS_SENT", "--period", day, "--repair")
    assert "1 repaired" in said
    assert "0 different" in run_command(app, "usage", "reconcile")
    run_command(app, "usage", "reconcile", "--type", "NOTHING", code=2)


def test_where_stripe_is_away_periods_stay_due(life: Life) -> None:
    life.record("SMS_SENT", 7, 2 * HOUR)
    life.world.control("faults", {"match": "GET /v1/billing/meters", "kind": "error_500", "times": 3})
    reconcile_due()
    db.session.rollback()
    assert db.session.scalars(select(ReconciliationCheck)).all() == []
    reconcile_due()
    assert check_of(life).reason == "sending"
