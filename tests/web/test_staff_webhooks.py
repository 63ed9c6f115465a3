"""Staff's pages of Stripe's webhooks: what came, what waits and why, doing it again; and who must not see them."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.models import Tenant
from dashboard.wiring import unit_of_work
from tests.platform import csrf_of, log_in, new_tenant, work_off
from tests.sandbox_server import SandboxServer
from tests.stripe_webhooks import event, send, states, stored_event


@pytest.fixture
def staff(app: Flask) -> FlaskClient:
    return log_in(app, staff=True)


@pytest.mark.parametrize("page", ["/staff/webhooks", "/staff/webhooks/evt_1"])
def test_nobody_but_staff_gets_in(client: FlaskClient, app: Flask, page: str) -> None:
    send(client, event())
    assert client.get(page).status_code in {302, 303}
    assert log_in(app, new_tenant()[0]).get(page).status_code == 404


def test_an_empty_inbox_says_what_to_do(staff: FlaskClient) -> None:
    page = staff.get("/staff/webhooks").text
    assert "flask stripe setup --webhook" in page
    assert "was not read yet" in page


def test_events_are_found_by_state_type_and_tenant(client: FlaskClient, staff: FlaskClient) -> None:
    tenant_id, _ = new_tenant()
    with unit_of_work() as session:
        tenant = session.get_one(Tenant, tenant_id)
        tenant.stripe_customer_id, tenant.name = "cus_1", "Acme of the tests"
    send(client, event("invoice.paid", "in_1", about={"customer": "cus_1"}))
    send(client, event("payment_link.created", "plink_1", id="evt_2"))

    def found(query: str) -> list[str]:
        page = staff.get(f"/staff/webhooks?{query}")
        assert page.status_code == 200
        return [kind for kind in ("invoice.paid", "payment_link.created") if f">{kind}</a>" in page.text]

    assert found("") == ["invoice.paid", "payment_link.created"]
    assert found("state=pending") == ["invoice.paid"]
    assert found("state=ignored&type=payment_") == ["payment_link.created"]
    assert found("type=invoice%25") == []
    assert found(f"tenant={tenant_id}") == ["invoice.paid"]
    assert found("tenant=999999") == []
    assert found("before=evt_2") == ["invoice.paid"]
    assert found("before=nothing") == ["invoice.paid", "payment_link.created"]
    assert "Acme of the tests" in staff.get("/staff/webhooks").text


@pytest.mark.parametrize("query", ["state=done", "tenant=x", "tenant=99999999999999999999", "tenant=²", "type=%00"])
def test_a_filter_that_means_nothing_is_a_400(staff: FlaskClient, query: str) -> None:
    assert staff.get(f"/staff/webhooks?{query}").status_code == 400


def test_old_events_are_on_further_pages(client: FlaskClient, staff: FlaskClient) -> None:
    for n in range(51):
        send(client, event("payment_link.created", id=f"evt_{n:02}"))
    page = staff.get("/staff/webhooks?type=payment").text
    assert page.count("payment_link.created</a>") == 50
    assert "Older events" in page
    assert "before=evt_01" in page
    assert "evt_00" in staff.get("/staff/webhooks?type=payment&before=evt_01").text


def test_a_failure_shows_its_traceback_and_can_be_replayed(
    client: FlaskClient, staff: FlaskClient, sandbox: SandboxServer
) -> None:
    sandbox.fail("GET /v1/customers", "error_500", times=99)
    send(client, event())
    work_off()
    with unit_of_work() as session:
        session.connection().exec_driver_sql("UPDATE stripe_events SET state = 'failed'")
    shown = staff.get("/staff/webhooks/evt_1")
    assert "ProviderUnavailable" in shown.text
    assert "cus_none" in shown.text
    assert "Its tenant may have been named" in shown.text
    sandbox.http.delete(f"{sandbox.stripe_base}/_sandbox/faults", timeout=5)
    token = {"csrf_token": csrf_of(shown)}
    assert staff.post("/staff/webhooks/evt_1/replay", data=token).status_code == 303
    work_off()
    assert (stored_event().state, stored_event().error) == ("ignored", None)  # Stripe has no such customer
    with unit_of_work() as session:
        session.connection().exec_driver_sql("UPDATE stripe_events SET state = 'failed'")
    assert "Replay all failed" in staff.get("/staff/webhooks").text
    assert staff.post("/staff/webhooks/replay", data=token).status_code == 303
    assert states() == {"pending": 1}


def test_what_changes_nothing_offers_no_replay(client: FlaskClient, staff: FlaskClient) -> None:
    send(client, event("payment_link.created"))
    page = staff.get("/staff/webhooks/evt_1")
    assert "change nothing here" in page.text
    assert ">Replay" not in page.text
    token = {"csrf_token": csrf_of(page)}
    followed = staff.post("/staff/webhooks/evt_1/replay", data=token, follow_redirects=True)
    assert "Nothing to replay" in followed.text
    assert staff.post("/staff/webhooks/evt_none/replay", data=token).status_code == 404
    assert staff.get("/staff/webhooks/evt_none").status_code == 404


def test_another_api_version_is_kept_and_shown(client: FlaskClient, staff: FlaskClient) -> None:
    send(client, event(api_version="2024-06-20"))
    send(client, event(id="evt_2"))
    assert stored_event().api_version == "2024-06-20"
    assert stored_event("evt_2").note is None
    for page in ("/staff/webhooks", "/staff/webhooks/evt_1"):
        assert "API version 2024-06-20, and this program is written for 2026-10-28.endive" in staff.get(page).text
    assert "API version" not in staff.get("/staff/webhooks/evt_2").text


def test_who_waits_for_a_customer_is_told_apart(client: FlaskClient, staff: FlaskClient) -> None:
    send(client, event("invoice.paid", "in_1", about={"customer": "cus_of_nobody"}))
    with unit_of_work() as session:
        session.connection().exec_driver_sql("UPDATE stripe_events SET state = 'waiting'")
    assert "Customer unknown" in staff.get("/staff/webhooks?state=waiting").text
    assert "cus_of_nobody" in staff.get("/staff/webhooks").text
    assert "No tenant has this customer" in staff.get("/staff/webhooks/evt_1").text
