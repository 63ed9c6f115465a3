"""Caps, budgets and reservations over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from tests.factories import usage_body
from tests.platform import bearer, new_tenant

URL = "/api/billing/usage"


def reserve(client: FlaskClient, key: str, quantity: int, action: str, usage_type: str = "CONTACT_CREATED") -> Any:
    body = {"usage_type": usage_type, "quantity": quantity, "key": action}
    return client.post(f"{URL}/reservations", json=body, headers=bearer(key))


def test_a_capped_action_is_reserved_reported_and_then_stopped(client: FlaskClient) -> None:
    _, key = new_tenant()
    cap = client.put(f"{URL}/caps/CONTACT_CREATED", json={"quantity": 3}, headers=bearer(key))
    assert (cap.status_code, cap.json) == (200, {"caps": {"CONTACT_CREATED": 3}, "budget": None})
    held = reserve(client, key, 2, "import-1")
    assert (held.status_code, held.json["held"]) == (201, True)
    body = usage_body(usage_type="CONTACT_CREATED", quantity=2, idempotency_key="import-1")
    assert client.post(f"{URL}/events", json=body, headers=bearer(key)).status_code == 201
    stop = reserve(client, key, 2, "import-2")
    assert (stop.status_code, stop.content_type) == (402, "application/problem+json")
    assert (stop.json["reason"], stop.json["limit"], stop.json["used"], stop.json["reserved"]) == ("cap", 3, 2, 0)
    assert reserve(client, key, 1, "import-3").status_code == 201
    assert client.delete(f"{URL}/reservations/import-3", headers=bearer(key)).status_code == 204
    assert client.delete(f"{URL}/reservations/import-3", headers=bearer(key)).status_code == 404
    assert client.delete(f"{URL}/caps/CONTACT_CREATED", headers=bearer(key)).json["caps"] == {}
    free = reserve(client, key, 10**6, "import-4")
    assert (free.status_code, free.json["held"], free.json["expires_at"]) == (201, False, None)


def test_a_budget_is_set_shown_and_lifted(client: FlaskClient) -> None:
    _, key = new_tenant()
    assert client.put(f"{URL}/budget", json={"amount": 500}, headers=bearer(key)).status_code == 200
    shown = client.get(f"{URL}/limits", headers=bearer(key)).json
    assert shown == {"caps": {}, "budget": {"amount": 500, "currency": "usd", "stops": True}}
    assert client.delete(f"{URL}/budget", headers=bearer(key)).json["budget"] is None


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("caps/FAX_SENT", {"quantity": 1}, "usage_type"),
        ("caps/STORAGE_USED_MB", {"quantity": 1}, "usage_type"),
        ("caps/SMS_SENT", {"quantity": -1}, "quantity"),
        ("caps/SMS_SENT", {"quantity": "1"}, "quantity"),
        ("caps/SMS_SENT", {"quantity": 10**16}, "quantity"),
        ("caps/SMS_SENT", {}, "quantity"),
        ("caps/SMS_SENT", {"quantity": 1, "colour": 2}, "colour"),
        ("caps/SMS_SENT", [1], "body"),
        ("budget", {"amount": 1.5}, "amount"),
        ("budget", {"amount": 1, "currency": "eur"}, "currency"),
        ("budget", {"amount": 1, "currency": ""}, "currency"),
        ("budget", {"amount": 1, "currency": 7}, "currency"),
        ("budget", {"amount": 1, "stops": "no"}, "stops"),
    ],
)
def test_a_bad_limit_is_a_422_that_names_the_field(client: FlaskClient, path: str, body: Any, field: str) -> None:
    _, key = new_tenant()
    answer = client.put(f"{URL}/{path}", json=body, headers=bearer(key))
    assert (answer.status_code, answer.json["field"]) == (422, field)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"usage_type": "FAX_SENT"}, "usage_type"),
        ({"usage_type": "STORAGE_USED_MB"}, "usage_type"),
        ({"usage_type": 7}, "usage_type"),
        ({"quantity": -1}, "quantity"),
        ({"quantity": 10**13}, "quantity"),
        ({"key": ""}, "key"),
        ({"ttl": 5}, "ttl"),
    ],
)
def test_a_bad_reservation_is_a_422_that_names_the_field(
    client: FlaskClient, change: dict[str, Any], field: str
) -> None:
    _, key = new_tenant()
    body = {"usage_type": "SMS_SENT", "quantity": 1, "key": "a", **change}
    answer = client.post(f"{URL}/reservations", json=body, headers=bearer(key))
    assert (answer.status_code, answer.json["field"]) == (422, field)


def test_the_keys_that_are_our_own_are_refused(client: FlaskClient) -> None:
    _, key = new_tenant()
    held = reserve(client, key, 0, "text:1")
    assert (held.status_code, held.json["field"]) == (422, "key")
    freed = client.delete(f"{URL}/reservations/call:1", headers=bearer(key))
    assert (freed.status_code, freed.json["field"]) == (422, "key")
    answer = client.post(f"{URL}/events", json=usage_body(idempotency_key="storage:2026-06-01"), headers=bearer(key))
    assert (answer.status_code, answer.json["field"]) == (422, "idempotency_key")


def test_limits_of_another_tenant_are_out_of_reach(client: FlaskClient) -> None:
    (_, mine), (_, theirs) = new_tenant(), new_tenant()
    client.put(f"{URL}/caps/CONTACT_CREATED", json={"quantity": 3}, headers=bearer(theirs))
    reserve(client, theirs, 1, "import-1")
    assert client.get(f"{URL}/limits", headers=bearer(mine)).json["caps"] == {}
    assert client.delete(f"{URL}/reservations/import-1", headers=bearer(mine)).status_code == 404


def test_a_place_is_not_said_to_be_held_for_more_than_was_asked_first(client: FlaskClient) -> None:
    _, key = new_tenant()
    client.put(f"{URL}/caps/CONTACT_CREATED", json={"quantity": 1}, headers=bearer(key))
    assert reserve(client, key, 1, "import-1").json["held"]
    more = reserve(client, key, 1_000, "import-1")
    assert (more.status_code, more.json["field"]) == (409, "key")
    assert reserve(client, key, 1, "import-1").status_code == 201


@pytest.mark.parametrize("action", ["/a//b/", "//", "a/b c%2F?#é"])
def test_the_place_of_any_key_can_be_given_back_and_no_other_is(client: FlaskClient, action: str) -> None:
    _, key = new_tenant()
    client.put(f"{URL}/caps/CONTACT_CREATED", json={"quantity": 2}, headers=bearer(key))
    for each in (action, "a/b/"):
        assert reserve(client, key, 1, each).json["held"]
    path = f"{URL}/reservations/{quote(action, safe='')}"
    assert [client.delete(path, headers=bearer(key)).status_code for _ in range(2)] == [204, 404]
    assert client.delete(f"{URL}/reservations/a/b/", headers=bearer(key)).status_code == 204
