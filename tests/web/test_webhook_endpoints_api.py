"""Webhook endpoints over HTTP, from the outside."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.platform import bearer, new_tenant, work_off
from tests.receiver import Receiver

URL = "/api/webhook-endpoints"


@pytest.fixture
def more_settings() -> dict[str, object]:
    return {"webhook_allow_private": True}


@pytest.fixture
def key(app: Flask) -> str:
    return new_tenant()[1]


def add(client: FlaskClient, key: str, **body: Any) -> dict[str, Any]:
    answer = client.post(URL, json=body, headers=bearer(key))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json
    return found


def test_the_secret_is_in_the_first_answer_only(client: FlaskClient, key: str, receiver: Receiver) -> None:
    added = add(client, key, url=receiver.url, event_types=["invoice.paid", "invoice.created"])
    assert added["secret"].startswith("whsec_")
    shown = client.get(f"{URL}/{added['id']}", headers=bearer(key)).json
    assert shown == {name: value for name, value in added.items() if name != "secret"}
    assert shown["event_types"] == ["invoice.created", "invoice.paid"]
    assert client.get(URL, headers=bearer(key)).json == {"webhook_endpoints": [shown]}


def test_a_test_is_delivered_logged_and_can_be_replayed(client: FlaskClient, key: str, receiver: Receiver) -> None:
    added = add(client, key, url=receiver.url, event_types=["invoice.paid"])
    receiver.statuses = [503]
    assert client.post(f"{URL}/{added['id']}/test", headers=bearer(key)).status_code == 202
    work_off()
    log = client.get(f"{URL}/{added['id']}/deliveries", headers=bearer(key)).json
    (row,) = log["deliveries"]
    assert (row["event_type"], row["state"], row["attempts"], row["last_status"]) == ("webhook.test", "pending", 1, 503)
    assert client.post(f"/api/webhook-deliveries/{row['id']}/replay", headers=bearer(key)).status_code == 202
    work_off()
    (row,) = client.get(f"{URL}/{added['id']}/deliveries", headers=bearer(key)).json["deliveries"]
    assert (row["state"], row["attempts"]) == ("delivered", 2)
    assert all(each.is_signed_with(added["secret"]) for each in receiver.received)


def test_deliveries_come_in_pages(client: FlaskClient, key: str, receiver: Receiver) -> None:
    endpoint = f"{URL}/{add(client, key, url=receiver.url)['id']}"
    for _ in range(5):
        client.post(f"{endpoint}/test", headers=bearer(key))
    seen, cursor = [], ""
    for size in (2, 2, 1):
        page = client.get(f"{endpoint}/deliveries?limit=2{cursor}", headers=bearer(key)).json
        assert len(page["deliveries"]) == size
        seen += [row["id"] for row in page["deliveries"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert page["next_cursor"] is None
    assert seen == sorted(set(seen), reverse=True)


def test_an_endpoint_can_be_changed_disabled_and_deleted(client: FlaskClient, key: str, receiver: Receiver) -> None:
    endpoint = f"{URL}/{add(client, key, url=receiver.url)['id']}"
    changed = client.patch(endpoint, json={"enabled": False, "event_types": ["invoice.paid"]}, headers=bearer(key)).json
    assert (changed["enabled"], changed["event_types"], changed["url"]) == (False, ["invoice.paid"], receiver.url)
    assert client.post(f"{endpoint}/test", headers=bearer(key)).status_code == 422
    assert client.delete(endpoint, headers=bearer(key)).status_code == 204
    assert client.get(endpoint, headers=bearer(key)).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        ({}, "url"),
        ({"url": "gopher://example.com"}, "url"),
        ({"url": "https://example.com", "event_types": []}, "event_types"),
        ({"url": "https://example.com", "event_types": ["invoice.lost"]}, "event_types"),
        ({"url": "https://example.com", "event_types": "invoice.paid"}, "event_types"),
        ({"url": "https://example.com", "event_types": [{}]}, "event_types"),
        ({"url": "https://example.com", "enabled": "yes"}, "enabled"),
        ({"url": "https://example.com", "secret": "mine"}, "secret"),
    ],
)
def test_bad_input_names_its_field(client: FlaskClient, key: str, body: object, field: str) -> None:
    answer = client.post(URL, json=body, headers=bearer(key))
    assert (answer.status_code, answer.json["field"]) == (422, field)
    assert client.get(URL, headers=bearer(key)).json == {"webhook_endpoints": []}


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=-1", "cursor=²", f"cursor={2**63}"])
def test_a_bad_page_is_refused(client: FlaskClient, key: str, query: str, receiver: Receiver) -> None:
    endpoint = f"{URL}/{add(client, key, url=receiver.url)['id']}"
    assert client.get(f"{endpoint}/deliveries?{query}", headers=bearer(key)).status_code == 422


@pytest.mark.parametrize("since", [None, "yesterday", "2026-01-01", 7])
def test_a_replay_needs_a_moment(client: FlaskClient, key: str, since: object, receiver: Receiver) -> None:
    endpoint = f"{URL}/{add(client, key, url=receiver.url)['id']}"
    answer = client.post(f"{endpoint}/replay", json={"since": since}, headers=bearer(key))
    assert (answer.status_code, answer.json["field"]) == (422, "since")


def test_another_tenants_endpoint_is_a_404_in_every_way(client: FlaskClient, key: str, receiver: Receiver) -> None:
    added = add(client, key, url=receiver.url)
    endpoint = f"{URL}/{added['id']}"
    client.post(f"{endpoint}/test", headers=bearer(key))
    delivery = client.get(f"{endpoint}/deliveries", headers=bearer(key)).json["deliveries"][0]["id"]
    stranger = bearer(new_tenant()[1])
    answers = [
        client.get(endpoint, headers=stranger),
        client.patch(endpoint, json={"enabled": False}, headers=stranger),
        client.delete(endpoint, headers=stranger),
        client.post(f"{endpoint}/test", headers=stranger),
        client.get(f"{endpoint}/deliveries", headers=stranger),
        client.post(f"{endpoint}/replay", json={"since": "2026-01-01T00:00:00Z"}, headers=stranger),
        client.post(f"/api/webhook-deliveries/{delivery}/replay", headers=stranger),
        client.get(f"{URL}/{2**70}", headers=stranger),
        client.post(f"/api/webhook-deliveries/{2**70}/replay", headers=stranger),
    ]
    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert client.get(endpoint).status_code == 401


def test_a_tenant_may_have_twenty_endpoints(client: FlaskClient, key: str) -> None:
    for n in range(20):
        add(client, key, url=f"https://example.com/{n}")
    answer = client.post(URL, json={"url": "https://example.com/21"}, headers=bearer(key))
    assert (answer.status_code, answer.json["field"]) == (422, "url")
