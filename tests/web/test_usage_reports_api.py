"""Reports over HTTP: summary, series, groups, single actions, reversals, and the sync of one tenant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.jobs.metering import start_sync
from dashboard.models import Tenant
from dashboard.wiring import now, unit_of_work
from tests.factories import make_period, record, usage_body
from tests.platform import bearer, buy, deliver_webhooks, log_in, new_tenant, set_up_stripe, work_off

URL = "/api/billing/usage"


@pytest.fixture
def key(client: FlaskClient) -> str:
    """The key of a tenant with seven texts by three people."""
    _, key = new_tenant()
    people = (("ada", 3, "spring"), ("ada", 1, None), ("bob", 2, "spring"), (None, 1, None))
    events = [
        usage_body(quantity=quantity, user_id=user, metadata={"campaign": campaign} if campaign else {})
        for user, quantity, campaign in people
    ]
    assert client.post(f"{URL}/events", json=events, headers=bearer(key)).status_code == 201
    return key


def ask(client: FlaskClient, key: str, path: str, **query: object) -> dict[str, Any]:
    answer = client.get(f"{URL}{path}", query_string=query, headers=bearer(key))
    assert answer.status_code == 200, answer.text
    assert isinstance(answer.json, dict)
    return answer.json


def test_the_summary_holds_every_type_of_the_current_period(client: FlaskClient, key: str) -> None:
    summary = ask(client, key, "")
    assert [each["usage_type"] for each in summary["types"]] == list(USAGE_TYPES)
    (sent,) = [each for each in summary["types"] if each["usage_type"] == "SMS_SENT"]
    assert (sent["quantity"], sent["events"], sent["unit"], sent["late_events"]) == (7, 4, "segment", 0)
    assert summary["period"]["is_current"] is True
    assert summary["last_recorded_at"] == sent["last_recorded_at"]


def test_the_summary_of_a_plan_says_what_is_left_and_what_more_costs(client: FlaskClient, app: Flask) -> None:
    set_up_stripe()
    tenant_id, key = new_tenant()
    buy(log_in(app, tenant_id), tenant_id)
    deliver_webhooks(client)
    for usage_type, quantity in (("SMS_SENT", 120), ("AI_MESSAGE_GENERATED", 40)):
        client.post(f"{URL}/events", json=usage_body(usage_type=usage_type, quantity=quantity), headers=bearer(key))
    summary = ask(client, key, "", period="current")
    rows = {each["usage_type"]: each for each in summary["types"]}
    sent, ai, contacts = rows["SMS_SENT"], rows["AI_MESSAGE_GENERATED"], rows["CONTACT_CREATED"]
    assert (sent["included"], sent["remaining"], sent["over"], sent["estimated_cost"]) == (100, 0, 20, 48)
    assert (ai["included"], ai["remaining"], ai["over"], ai["estimated_cost"]) == (500, 460, 0, 0)
    assert (contacts["included"], contacts["estimated_cost"]) == (None, None)
    assert (summary["estimated_cost"], summary["currency"], summary["period"]["plan"]) == (48, "usd", "starter")


def test_one_type_opens_into_series_groups_and_events(client: FlaskClient, key: str) -> None:
    usage = ask(client, key, "/SMS_SENT", group_by="user", limit=1)
    assert usage["total"] == {"quantity": 7, "events": 4, "late_quantity": 0, "late_events": 0}
    assert sum(slot["quantity"] for slot in usage["series"]) == 7
    assert usage["groups"] == [{"key": "ada", "resource_type": None, "quantity": 4, "events": 2}]
    assert usage["other"] == {"groups": 2, "quantity": 3, "events": 2}
    assert len(usage["events"]) == 1
    assert usage["next_cursor"]


def test_pages_hold_every_event_once(client: FlaskClient, key: str) -> None:
    found, cursor = [], None
    while True:
        page = ask(client, key, "/SMS_SENT", limit=1, **({"cursor": cursor} if cursor else {}))
        assert (page["series"] is None) == (cursor is not None)
        found += [event["id"] for event in page["events"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(found) == len(set(found)) == 4


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ({"user_id": "ada"}, 4),
        ({"metadata.campaign": "spring"}, 5),
        ({"metadata.campaign": "spring", "user_id": "bob"}, 2),
        ({"user_id": "nobody"}, 0),
    ],
)
def test_filters_narrow_every_part(client: FlaskClient, key: str, query: dict[str, str], total: int) -> None:
    usage = ask(client, key, "/SMS_SENT", group_by="metadata.campaign", **query)
    assert usage["total"]["quantity"] == total
    assert sum(group["quantity"] for group in usage["groups"]) == total
    assert sum(event["quantity"] for event in usage["events"]) == total


def test_parts_can_be_had_alone(client: FlaskClient, key: str) -> None:
    parts = {"series": "series", "events": "events", "groups": "groups"}
    for view, part in parts.items():
        usage = ask(client, key, "/SMS_SENT", view=view, **({"group_by": "user"} if view == "groups" else {}))
        assert [name for name in parts.values() if usage[name] is not None] == [part]


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("", "period=2001-01-01", "period"),
        ("", "period=current&from=2026-06-01", "period"),
        ("", "from=2026-06-02&to=2026-06-01", "to"),
        ("", "from=noon", "from"),
        ("", "limit=3", "limit"),
        ("", "format=xml", "format"),
        ("/SMS_SENT", "limit=0", "limit"),
        ("/SMS_SENT", "limit=1001", "limit"),
        ("/SMS_SENT", "limit=many", "limit"),
        ("/SMS_SENT", "granularity=week", "granularity"),
        ("/SMS_SENT", "granularity=hour&from=2020-01-01", "granularity"),
        ("/SMS_SENT", "group_by=colour", "group_by"),
        ("/SMS_SENT", "view=groups", "group_by"),
        ("/SMS_SENT", "cursor=abc", "cursor"),
        ("/SMS_SENT", "user_id=ada&user_id=bob", "user_id"),
        ("/SMS_SENT", "metadata.a=1&metadata.a=2", "metadata.a"),
        ("/SMS_SENT", "user_id=", "user_id"),
        ("/SMS_SENT", "user_id=%00", "user_id"),
        ("/SMS_SENT", "metadata.=x", "metadata"),
        ("/SMS_SENT", "metadata=x", "metadata"),
        ("/SMS_SENT", "metadata.a=%00", "metadata.a"),
        ("/SMS_SENT", "late=perhaps", "late"),
        ("/SMS_SENT", "colour=red", "colour"),
    ],
)
def test_what_cannot_be_asked_is_a_422_that_names_the_parameter(
    client: FlaskClient, key: str, path: str, query: str, field: str
) -> None:
    answer = client.get(f"{URL}{path}?{query}", headers=bearer(key))
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert (answer.json["field"], bool(answer.json["allowed"])) == (field, True)


def test_an_unknown_type_is_a_404_that_lists_the_types(client: FlaskClient, key: str) -> None:
    answer = client.get(f"{URL}/FAX_SENT", headers=bearer(key))
    assert (answer.status_code, answer.json["field"]) == (404, "usage_type")
    assert "SMS_SENT" in answer.json["allowed"]


def test_another_tenants_usage_is_not_there(client: FlaskClient, key: str) -> None:
    _, other = new_tenant()
    event_id = ask(client, key, "/SMS_SENT")["events"][0]["id"]
    assert ask(client, other, "/SMS_SENT")["events"] == []
    assert client.get(f"{URL}/events/{event_id}", headers=bearer(other)).status_code == 404
    assert client.post(f"{URL}/events/{event_id}/reversal", headers=bearer(other)).status_code == 404


def test_late_usage_is_told_in_every_view_and_on_the_page(client: FlaskClient, app: Flask) -> None:
    tenant_id, key = new_tenant()
    end = now() - timedelta(hours=2)
    with unit_of_work() as session:
        tenant = session.get_one(Tenant, tenant_id)
        tenant.created_at = end - timedelta(days=30)
        make_period(session, tenant, end - timedelta(days=30), end)
        make_period(session, tenant, end, end + timedelta(days=30))
        before = (end - timedelta(days=1)).isoformat()
        record(session, tenant, quantity=5, occurred_at=before, now=end - timedelta(hours=23))
        record(session, tenant, quantity=2, occurred_at=before, user_id="ada", now=end + timedelta(minutes=5))
    summary = ask(client, key, "", period="previous")
    (sent,) = [each for each in summary["types"] if each["usage_type"] == "SMS_SENT"]
    assert (sent["quantity"], sent["late_quantity"], sent["late_events"], summary["late_events"]) == (7, 2, 1, 1)
    usage = ask(client, key, "/SMS_SENT", period="previous", late="true")
    assert (usage["total"]["late_quantity"], sum(slot["late_quantity"] for slot in usage["series"])) == (2, 2)
    assert [(event["quantity"], event["late"]) for event in usage["events"]] == [(2, True)]
    assert ask(client, key, f"/events/{usage['events'][0]['id']}")["late"] is True
    browser = log_in(app, tenant_id)
    period = summary["period"]["key"]
    page = browser.get(f"/tenants/{tenant_id}/usage?period={period}").text
    assert "2 segments (SMS sent) arrived after the period closed." in page
    listed = browser.get(f"/tenants/{tenant_id}/usage/late?period={period}").text
    assert "<td>ada</td>" in listed
    assert "arrived after" not in browser.get(f"/tenants/{tenant_id}/usage").text
    for query in ("period=1999-01-01", "type=FAX", f"period={period}&cursor=x"):
        assert browser.get(f"/tenants/{tenant_id}/usage/late?{query}").status_code == 404


def test_a_reversal_is_made_once_and_both_rows_say_so(client: FlaskClient, key: str) -> None:
    event = ask(client, key, "/SMS_SENT")["events"][0]
    made = client.post(f"{URL}/events/{event['id']}/reversal", headers=bearer(key))
    assert made.status_code == 201
    correction = client.get(made.headers["Location"], headers=bearer(key)).json
    assert (correction["quantity"], correction["corrects_id"]) == (-event["quantity"], event["id"])
    assert ask(client, key, f"/events/{event['id']}")["corrected_by"] == correction["id"]
    again = client.post(f"{URL}/events/{event['id']}/reversal", headers=bearer(key))
    assert (again.status_code, again.content_type) == (409, "application/problem+json")
    assert ask(client, key, "/SMS_SENT")["total"]["quantity"] == 7 - event["quantity"]
    listed = {each["id"]: each for each in ask(client, key, "/SMS_SENT")["events"]}
    assert listed[event["id"]]["corrected_by"] == correction["id"]
    assert client.post(f"{URL}/events/{correction['id']}/reversal", headers=bearer(key)).status_code == 422
    assert client.post(f"{URL}/events/{2**70}/reversal", headers=bearer(key)).status_code == 404


def test_a_tenant_syncs_its_own_usage_and_watches_it(client: FlaskClient, app: Flask) -> None:
    set_up_stripe()
    keys = {}
    for name in ("mine", "theirs"):
        tenant_id, keys[name] = new_tenant()
        buy(log_in(app, tenant_id), tenant_id)
    deliver_webhooks(client)
    for key in keys.values():
        client.post(f"{URL}/events", json=usage_body(quantity=5), headers=bearer(key))
    started = client.post(f"{URL}/sync", headers=bearer(keys["mine"]))
    assert (started.status_code, started.json["state"]) == (202, "queued")
    again = client.post(f"{URL}/sync", headers=bearer(keys["mine"]))
    assert again.json["id"] == started.json["id"]
    other = client.post(f"{URL}/sync", headers=bearer(keys["theirs"]))
    assert other.json["id"] != started.json["id"]
    place = started.headers["Location"]
    assert client.get(place, headers=bearer(keys["theirs"])).status_code == 404
    work_off()
    for key, where in ((keys["mine"], place), (keys["theirs"], other.headers["Location"])):
        done = client.get(where, headers=bearer(key)).json
        assert (done["state"], done["claimed"], done["sent"], done["progress"]) == ("complete", 1, 1, 100)


def test_a_sync_of_all_tenants_may_run_beside_one_of_a_tenant(client: FlaskClient, key: str) -> None:
    own = client.post(f"{URL}/sync", headers=bearer(key)).json["id"]
    of_all = start_sync("tests")
    assert of_all != own
    assert start_sync("tests") == of_all
    assert client.get(f"{URL}/sync/{of_all}", headers=bearer(key)).status_code == 404
    work_off()
    assert start_sync("tests") != of_all
    work_off()
