"""After an invoice is final: late usage and corrections become proposals, and accepted ones move exactly that money."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from dashboard.billing.invoices import proposals
from dashboard.database import db
from dashboard.jobs.metering import start_sync, sync_meters
from dashboard.models import BillingProposal, CreditNote, Invoice, Subscription, UsageRollup
from dashboard.wiring import now, unit_of_work, wiring
from tests.faults.metered import use
from tests.platform import buy, deliver_webhooks, log_in, new_tenant, set_up_stripe
from tests.sandbox_server import SandboxServer


def accept_twice(proposal: BillingProposal) -> str:
    """As the page does it, and again; the id of what was made once."""
    tenant_id, proposal_id = proposal.tenant_id, proposal.id
    made = set()
    for _ in range(2):
        with unit_of_work() as session:
            found = proposals.accept(session, wiring().billing, tenant_id, proposal_id, "staff", now())
            made.add(found.stripe_id or "")
            found.state = "open"  # as if the worker had died before the commit
    with unit_of_work() as session:
        proposals.accept(session, wiring().billing, tenant_id, proposal_id, "staff", now())
    (only,) = made
    return only


def open_proposals() -> list[BillingProposal]:
    db.session.rollback()
    return proposals.list_open(db.session())


def test_what_comes_after_the_final_invoice_is_billed_or_given_back_by_hand_once(
    app: Flask, client: FlaskClient, sandbox: SandboxServer
) -> None:
    set_up_stripe()
    tenant_id, _ = new_tenant()
    buy(log_in(app, tenant_id), tenant_id)
    deliver_webhooks(client)
    wrong = use(tenant_id, 300)
    use(tenant_id, 200)
    sync_meters(start_sync("tests"))
    subscription = db.session.scalars(select(Subscription)).one()
    assert subscription.current_period_end is not None
    used_at, end = now(), subscription.current_period_end.timestamp()
    sandbox.advance(advance_to=end + 4_000)
    deliver_webhooks(client)
    invoice = db.session.scalars(select(Invoice).where(Invoice.billing_reason == "subscription_cycle")).one()
    assert invoice.status == "paid"
    invoice_id = invoice.id

    use(tenant_id, 200, ago=now() - used_at)
    sync_meters(start_sync("tests"))
    (late,) = open_proposals()
    # 2.4 cents a segment: what is included was used up before.
    assert (late.kind, late.reason, late.quantity, late.amount) == ("invoice_item", "late", 200, 480)
    item_id = accept_twice(late)
    v1 = wiring().stripe_client.v1
    assert [(each.id, each.amount) for each in v1.invoice_items.list({"pending": True}).data] == [(item_id, 480)]

    use(tenant_id, -300, corrects_id=wrong)
    sync_meters(start_sync("tests"))
    (correction,) = open_proposals()
    assert (correction.kind, correction.reason, correction.quantity) == ("credit_note", "correction", 300)
    assert correction.amount == 720
    note_id = accept_twice(correction)
    deliver_webhooks(client)
    db.session.rollback()
    note = db.session.scalars(select(CreditNote)).one()
    assert (note.id, note.subtotal, note.invoice_id) == (note_id, 720, invoice_id)
    assert open_proposals() == []
    rollups = db.session.scalars(select(UsageRollup).where(UsageRollup.usage_type == "SMS_SENT")).all()
    assert [row.quantity - row.claimed for row in rollups] == [0] * len(rollups)
