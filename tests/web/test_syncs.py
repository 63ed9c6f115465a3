"""Syncs by page and API: who may start, watch and cancel which, and what they see of it."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dashboard.billing.metering.sync_runs import cancel_run, request_sync
from dashboard.billing.tenants import api_keys
from dashboard.jobs.metering import start_sync
from dashboard.models import Role, Tenant
from dashboard.wiring import now, unit_of_work
from tests.factories import make_period, record
from tests.platform import bearer, csrf_of, log_in, new_tenant, set_up_stripe, work_off

URL = "/api/billing/usage/sync"


@pytest.fixture
def tenant(app: Flask) -> tuple[int, str]:
    """A tenant with usage that waits, and its key."""
    set_up_stripe()
    tenant_id, key = new_tenant()
    with unit_of_work() as session:
        tenant = session.get_one(Tenant, tenant_id)
        make_period(session, tenant, now().replace(day=1, hour=0), now().replace(year=now().year + 1))
        record(session, tenant, now=now(), usage_type="SMS_SENT", quantity=1_200)
    return tenant_id, key


def post(browser: FlaskClient, path: str, **form: object) -> TestResponse:
    """Send a form with the session's token, which stands in the log-out form of every page."""
    token = csrf_of(browser.get("/", follow_redirects=True))
    return browser.post(path, data={"csrf_token": token, **form})


def test_an_owner_sees_what_waits_starts_a_sync_and_cancels_it(app: Flask, tenant: tuple[int, str]) -> None:
    pages = f"/tenants/{tenant[0]}/syncs"
    owner = log_in(app, tenant[0])
    seen = owner.get(pages).text
    assert "1,200 segments" in seen
    assert "It waits until there is a subscription." in seen
    assert "You have not started a sync yet." in seen
    started = post(owner, pages)
    assert started.status_code == 303
    place = started.headers["Location"]
    live = owner.get(place).text
    assert 'hx-trigger="load delay:2s"' in live
    assert '<noscript><meta http-equiv="refresh"' in live
    assert "Waits for a worker." in live
    assert post(owner, f"{place}/cancel").status_code == 303
    over = owner.get(place).text
    assert "Canceled" in over
    assert "hx-trigger" not in over
    assert "http-equiv" not in over
    assert "had ended before" in owner.get(post(owner, f"{place}/cancel").headers["Location"]).text
    assert place in owner.get(pages).text


def test_viewers_watch_but_start_and_cancel_nothing(app: Flask, tenant: tuple[int, str]) -> None:
    pages = f"/tenants/{tenant[0]}/syncs"
    run_id = start_sync("tests", tenant[0])
    for browser in (log_in(app, tenant[0], Role.VIEWER), log_in(app, staff=True)):
        assert "Sync now" not in browser.get(pages).text
        assert "Cancel sync" not in browser.get(f"{pages}/{run_id}").text
        assert post(browser, pages).status_code == 403
        assert post(browser, f"{pages}/{run_id}/cancel").status_code == 403


def test_another_tenant_finds_nothing(app: Flask, tenant: tuple[int, str]) -> None:
    run_id, of_all = start_sync("tests", tenant[0]), start_sync("tests")
    other = new_tenant()
    outsider = log_in(app, other[0])
    for path in (f"/tenants/{tenant[0]}/syncs", f"/tenants/{tenant[0]}/syncs/{run_id}"):
        assert outsider.get(path).status_code == 404
        assert post(outsider, path).status_code in {404, 405}
    for foreign in (run_id, of_all):
        assert outsider.get(f"/tenants/{other[0]}/syncs/{foreign}").status_code == 404
        assert post(outsider, f"/tenants/{other[0]}/syncs/{foreign}/cancel").status_code == 404
        assert outsider.post(f"{URL}/{foreign}/cancel", headers=bearer(other[1])).status_code == 404
    assert outsider.get("/staff/syncs").status_code == 404
    assert outsider.get(URL, headers=bearer(other[1])).json == {"syncs": [], "next_before": None}


def test_staff_start_any_scope_watch_and_cancel(app: Flask, tenant: tuple[int, str]) -> None:
    staff = log_in(app, staff=True)
    form = {"tenant": str(tenant[0]), "usage_types": ["SMS_SENT", "STORAGE_USED_MB"]}
    started = post(staff, "/staff/syncs", **form)
    assert started.status_code == 303
    page = staff.get(started.headers["Location"]).text
    assert ", SMS sent, Storage used</h2>" in page
    assert post(staff, f"{started.headers['Location']}/cancel").status_code == 303
    assert "Canceled" in staff.get(started.headers["Location"]).text
    assert post(staff, "/staff/syncs").status_code == 303
    assert "All tenants" in staff.get("/staff/syncs").text
    work_off()


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"tenant": "x"}, "Tenant must be the number of a tenant"),
        ({"tenant": "0"}, "Tenant must be the number of a tenant"),
        ({"tenant": "9" * 30}, "Tenant must be the number of a tenant"),
        ({"tenant": "9999"}, "there is no tenant 9999"),
        ({"usage_types": "API_REQUEST"}, "API_REQUEST is none"),
    ],
)
def test_staff_are_told_what_is_wrong_with_a_scope(app: Flask, form: dict[str, str], said: str) -> None:
    refused = post(log_in(app, staff=True), "/staff/syncs", **form)
    assert refused.status_code == 422
    assert said in refused.text


def test_the_history_is_paged_and_any_address_is_answered(app: Flask, tenant: tuple[int, str]) -> None:
    with unit_of_work() as session:
        for _ in range(21):
            run_id, _ = request_sync(session, started_by="tests", now=now(), tenant_id=tenant[0])
            cancel_run(session, run_id, canceled_by="tests", now=now())
    staff, owner = log_in(app, staff=True), log_in(app, tenant[0])
    for browser, path in ((staff, "/staff/syncs"), (owner, f"/tenants/{tenant[0]}/syncs")):
        first = browser.get(path).text
        assert first.count(">Sync ") >= 20
        assert "Older runs" in first
        assert browser.get(f"{path}?before=2").text.count('<th scope="row"><a') >= 1
        assert "There are no older runs." in browser.get(f"{path}?before=1").text
        for wrong in ("x", "-1", "0", "%00", "9" * 40):
            assert browser.get(f"{path}?before={wrong}").status_code == 400
    page = owner.get(f"{URL}?limit=20", headers=bearer(tenant[1])).json
    rest = owner.get(f"{URL}?before={page['next_before']}", headers=bearer(tenant[1])).json
    assert (len(page["syncs"]), len(rest["syncs"]), rest["next_before"]) == (20, 1, None)


def test_a_key_starts_watches_and_cancels_by_type(client: FlaskClient, tenant: tuple[int, str]) -> None:
    head = bearer(tenant[1])
    some = client.post(URL, json={"usage_types": ["SMS_SENT"]}, headers=head)
    assert (some.status_code, some.json["usage_types"]) == (202, ["SMS_SENT"])
    whole = client.post(URL, headers=head)
    assert (whole.status_code, whole.json["usage_types"]) == (202, None)
    assert whole.json["id"] != some.json["id"]
    canceled = client.post(f"{some.headers['Location']}/cancel", headers=head)
    assert (canceled.status_code, canceled.json["state"]) == (202, "canceled")
    again = client.post(f"{some.headers['Location']}/cancel", headers=head)
    assert again.status_code == 409
    assert "has ended" in again.json["detail"]
    work_off()
    assert client.get(whole.headers["Location"], headers=head).json["state"] == "complete"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"usage_types": ["CALL_MADE"]}, "usage_types"),
        ({"usage_types": "SMS_SENT"}, "usage_types"),
        ({"usage_types": []}, "usage_types"),
        ({"tenant_id": 7}, "tenant_id"),
        ([], "body"),
    ],
)
def test_a_malformed_request_names_its_field(client: FlaskClient, app: Flask, body: object, field: str) -> None:
    refused = client.post(URL, json=body, headers=bearer(new_tenant()[1]))
    assert (refused.status_code, refused.json["field"]) == (422, field)


def test_a_key_without_the_scope_starts_nothing(client: FlaskClient, tenant: tuple[int, str]) -> None:
    with unit_of_work() as session:
        weak = api_keys.create_api_key(session, tenant[0], "reports", now(), scopes=["usage:read"])
    for call in (client.get(URL, headers=bearer(weak)), client.post(URL, headers=bearer(weak))):
        assert call.status_code == 403
