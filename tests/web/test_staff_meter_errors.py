"""Staff's pages of refused batches and proposals: causes in words, mending, deciding; and who must not see them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from dashboard.billing.invoices import proposals
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.plans.plans import store_meter
from dashboard.database import db
from dashboard.models import BillingProposal, MeterErrorReport, MeterEvent, Tenant
from dashboard.wiring import now, unit_of_work
from tests.factories import make_period, make_tenant
from tests.platform import csrf_of, log_in, new_tenant, work_off

PAGES = ("/staff/meter-errors", "/staff/proposals")


@pytest.fixture
def staff(app: Flask) -> FlaskClient:
    return log_in(app, staff=True)


@pytest.fixture
def refused(app: Flask) -> tuple[int, int]:
    """(tenant, batch) that Stripe refused because it did not know the customer."""
    with unit_of_work() as session:
        store_meter(session, USAGE_TYPES["SMS_SENT"], "mtr_1", "sms_sent")
        tenant = make_tenant(session, customer="cus_1", name="Acme <b>", now=now())
        make_period(session, tenant, now() - timedelta(days=10), now() + timedelta(days=20))
        batch = MeterEvent(
            tenant_id=tenant.id,
            identifier=f"cus_0-{tenant.id}-SMS_SENT-1-1",
            usage_type="SMS_SENT",
            bucket_start=now(),
            sequence=1,
            event_name="sms_sent",
            payload={"stripe_customer_id": "cus_0", "value": "1234"},
            value=1234,
            timestamp=now(),
            state="rejected",
            error="No such customer: 'cus_0'",
            error_code="meter_event_customer_not_found",
            claimed_at=now(),
        )
        session.add(batch)
        session.flush()
        return tenant.id, batch.id


@pytest.fixture
def proposed(app: Flask) -> tuple[int, int]:
    """(tenant, proposal) of an amount that the plan includes."""
    with unit_of_work() as session:
        tenant = make_tenant(session, name="Proposed", now=now())
        made = proposals.propose(
            session,
            tenant.id,
            kind="invoice_item",
            usage_type="SMS_SENT",
            quantity=30,
            amount=0,
            currency="usd",
            period_start=now() - timedelta(days=40),
            period_end=now() - timedelta(days=10),
            reason="late",
            key="one",
            now=now(),
        )
        return tenant.id, made.id


def states(tenant_id: int) -> list[tuple[str, str]]:
    db.session.rollback()
    rows = select(MeterEvent.kind, MeterEvent.state).where(MeterEvent.tenant_id == tenant_id).order_by(MeterEvent.id)
    return [(row.kind, row.state) for row in db.session.execute(rows)]


@pytest.mark.parametrize("page", PAGES)
def test_nobody_but_staff_gets_in(client: FlaskClient, app: Flask, page: str) -> None:
    assert client.get(page).status_code in {302, 303}
    assert log_in(app, new_tenant()[0]).get(page).status_code == 404


def test_empty_pages_say_that_all_is_well(staff: FlaskClient) -> None:
    assert "Stripe has counted everything" in staff.get("/staff/meter-errors").text
    assert "Nothing waits" in staff.get("/staff/proposals").text


def test_a_refused_batch_is_shown_with_its_cause_and_sent_again(staff: FlaskClient, refused: tuple[int, int]) -> None:
    tenant_id, batch_id = refused
    page = staff.get("/staff/meter-errors")
    for words in ("Acme &lt;b&gt;", "1,234", "does not know the customer", "No such customer", "then resend"):
        assert words in page.text
    token = {"csrf_token": csrf_of(page)}
    sent = staff.post(f"/staff/meter-errors/{tenant_id}/{batch_id}/resend", data=token, follow_redirects=True)
    assert "under a new identifier" in sent.text
    assert states(tenant_id)[0] == ("usage", "superseded")
    assert states(tenant_id)[1][0] == "resend"
    assert staff.post(f"/staff/meter-errors/{tenant_id}/999/resend", data=token).status_code == 404


def test_all_of_one_cause_are_sent_again_together(staff: FlaskClient, refused: tuple[int, int]) -> None:
    tenant_id, _ = refused
    page = staff.get("/staff/meter-errors?code=meter_event_customer_not_found")
    assert "resend these" in page.text
    token = {"csrf_token": csrf_of(page), "code": "meter_event_customer_not_found"}
    assert staff.post("/staff/meter-errors/resend", data=token).status_code == 303
    work_off()
    assert states(tenant_id)[0] == ("usage", "superseded")
    assert "No batch is refused" in staff.get("/staff/meter-errors?code=no_meter").text


def test_a_batch_whose_answer_was_lost_can_be_confirmed(staff: FlaskClient, refused: tuple[int, int]) -> None:
    tenant_id, batch_id = refused
    token = {"csrf_token": csrf_of(staff.get("/staff/meter-errors"))}
    where = f"/staff/meter-errors/{tenant_id}/{batch_id}/confirm"
    assert "Not noted" in staff.post(where, data=token, follow_redirects=True).text
    with unit_of_work() as session:
        session.execute(text("UPDATE meter_events SET error_code = 'unconfirmed'"))
    assert "Stripe has it" in staff.get("/staff/meter-errors").text
    assert "Stripe counts this batch" in staff.post(where, data=token, follow_redirects=True).text
    assert states(tenant_id) == [("usage", "sent")]


def test_without_a_customer_the_page_says_that_it_waits(staff: FlaskClient, refused: tuple[int, int]) -> None:
    with unit_of_work() as session:
        session.get_one(Tenant, refused[0]).stripe_customer_id = None
    page = staff.get("/staff/meter-errors")
    assert "Waits for a customer" in page.text
    token = {"csrf_token": csrf_of(page)}
    where = f"/staff/meter-errors/{refused[0]}/{refused[1]}/resend"
    assert "no customer at Stripe" in staff.post(where, data=token, follow_redirects=True).text


def test_reports_are_shown_with_their_samples(staff: FlaskClient) -> None:
    with unit_of_work() as session:
        session.add(
            MeterErrorReport(
                event_id="evt_1",
                meter_id=None,
                summary="There are 7 invalid events",
                error_count=7,
                errors=[{"code": "no_meter", "count": 7, "samples": [{"message": "no <b>", "identifier": "ours:1"}]}],
                window_start=now() - timedelta(minutes=1),
                window_end=now(),
                stored_at=now(),
            )
        )
    page = staff.get("/staff/meter-errors").text
    assert "ours:1" in page
    assert "no &lt;b&gt;" in page


@pytest.mark.parametrize("query", ["before=x", "before=99999999999999999999", "before=²", "before=-1", "code=%00"])
def test_a_query_that_means_nothing_is_a_400(staff: FlaskClient, query: str) -> None:
    assert staff.get(f"/staff/meter-errors?{query}").status_code == 400


def test_a_proposal_is_accepted_once_and_then_not_dismissed(staff: FlaskClient, proposed: tuple[int, int]) -> None:
    tenant_id, proposal_id = proposed
    page = staff.get("/staff/proposals")
    for words in ("Proposed", "Bill 30 segments", "after the invoice of its period was final"):
        assert words in page.text
    token = {"csrf_token": csrf_of(page)}
    where = f"/staff/proposals/{tenant_id}/{proposal_id}"
    for _ in range(2):
        assert "nothing to bill" in staff.post(f"{where}/accept", data=token, follow_redirects=True).text
    assert "Not dismissed" in staff.post(f"{where}/dismiss", data=token, follow_redirects=True).text
    assert staff.post(f"/staff/proposals/{tenant_id + 1}/{proposal_id}/accept", data=token).status_code == 404


def test_a_proposal_is_dismissed_and_then_not_accepted(staff: FlaskClient, proposed: tuple[int, int]) -> None:
    tenant_id, proposal_id = proposed
    token = {"csrf_token": csrf_of(staff.get("/staff/proposals"))}
    where = f"/staff/proposals/{tenant_id}/{proposal_id}"
    assert "Dismissed" in staff.post(f"{where}/dismiss", data=token, follow_redirects=True).text
    assert "was dismissed" in staff.post(f"{where}/accept", data=token, follow_redirects=True).text
    assert db.session.scalars(select(BillingProposal.state)).all() == ["dismissed"]
