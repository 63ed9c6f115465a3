"""Usage events over HTTP."""

from __future__ import annotations

import gzip
import io
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from dashboard.database import db
from dashboard.models import UsageEvent, UsageRollup
from tests.factories import usage_body
from tests.platform import bearer, new_tenant

URL = "/api/billing/usage/events"


def stored() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(UsageEvent)) or 0


def test_one_event_is_recorded_and_can_be_read(client: FlaskClient) -> None:
    _, key = new_tenant()
    answer = client.post(URL, json=usage_body(quantity=3, metadata={"a": 1}), headers=bearer(key))
    assert answer.status_code == 201
    event = client.get(f"{URL}/{answer.json['id']}", headers=bearer(key)).json
    assert (event["quantity"], event["metadata"], event["source"]) == (3, {"a": 1}, "api")


def test_a_batch_tells_which_events_were_new(client: FlaskClient) -> None:
    _, key = new_tenant()
    body = usage_body()
    client.post(URL, json=body, headers=bearer(key))
    answer = client.post(URL, json={"events": [body, usage_body()]}, headers=bearer(key))
    assert answer.status_code == 201
    assert (answer.json["new"], answer.json["duplicates"], answer.json["refused"]) == (1, 1, 0)
    assert [event["status"] for event in answer.json["events"]] == ["duplicate", "new"]
    assert stored() == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"usage_type": "FAX_SENT"}, "usage_type"),
        ({"quantity": -1}, "quantity"),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, "occurred_at"),
        ({"metadata": [1]}, "metadata"),
        ({"corrects_id": 99}, "corrects_id"),
    ],
)
def test_a_bad_event_is_a_422_that_names_the_field_and_stores_nothing(
    client: FlaskClient, change: dict[str, Any], field: str
) -> None:
    _, key = new_tenant()
    answer = client.post(URL, json=usage_body(**change), headers=bearer(key))
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert answer.json["field"] == field
    assert answer.json["allowed"]
    in_batch = client.post(URL, json={"events": [usage_body(), usage_body(**change)]}, headers=bearer(key))
    assert in_batch.status_code == 422
    assert [(error["index"], error["field"]) for error in in_batch.json["errors"]] == [(1, f"events[1].{field}")]
    assert stored() == 0


def test_a_reused_key_with_another_body_is_a_409_and_stores_nothing_of_the_batch(client: FlaskClient) -> None:
    _, key = new_tenant()
    body = usage_body()
    client.post(URL, json=body, headers=bearer(key))
    answer = client.post(URL, json={"events": [usage_body(), {**body, "quantity": 9}]}, headers=bearer(key))
    assert (answer.status_code, stored()) == (409, 1)
    assert body["idempotency_key"] in answer.json["detail"]


def test_every_bad_event_of_a_batch_is_named_and_the_good_ones_are_stored_where_the_caller_wants_it(
    client: FlaskClient,
) -> None:
    _, key = new_tenant()
    known = usage_body()
    client.post(URL, json=known, headers=bearer(key))
    events = [
        usage_body(),
        usage_body(quantity="7"),
        known,
        {**known, "quantity": 9},
        usage_body(corrects_id=2**40, quantity=-1),
        17,
    ]
    refused = client.post(URL, json=events, headers=bearer(key))
    assert refused.status_code == 422
    assert [error["index"] for error in refused.json["errors"]] == [1, 5]
    assert stored() == 1
    answer = client.post(f"{URL}?atomic=false", json=events, headers=bearer(key))
    assert answer.status_code == 201
    assert (answer.json["new"], answer.json["duplicates"], answer.json["refused"]) == (1, 1, 4)
    told = [(event["index"], event["status"]) for event in answer.json["events"]]
    assert told == [(0, "new"), (1, "refused"), (2, "duplicate"), (3, "refused"), (4, "refused"), (5, "refused")]
    fields = [event["errors"][0]["field"] for event in answer.json["events"] if event["status"] == "refused"]
    assert fields == ["quantity", "idempotency_key", "corrects_id", "event"]
    assert stored() == 2


def test_atomic_is_true_or_false(client: FlaskClient) -> None:
    _, key = new_tenant()
    answer = client.post(f"{URL}?atomic=perhaps", json=[usage_body()], headers=bearer(key))
    assert (answer.status_code, answer.json["field"]) == (422, "atomic")


def test_a_body_over_the_limit_is_a_413(client: FlaskClient) -> None:
    _, key = new_tenant()
    answer = client.post(URL, data=b" " * (4 * 1024 * 1024 + 1), content_type="application/json", headers=bearer(key))
    assert (answer.status_code, answer.content_type) == (413, "application/problem+json")


def test_a_second_correction_is_a_409(client: FlaskClient) -> None:
    _, key = new_tenant()
    made = client.post(URL, json=usage_body(quantity=4), headers=bearer(key)).json["id"]
    first = client.post(URL, json=usage_body(quantity=-4, corrects_id=made), headers=bearer(key))
    second = client.post(URL, json=usage_body(quantity=-4, corrects_id=made), headers=bearer(key))
    assert (first.status_code, second.status_code, second.json["field"]) == (201, 409, "corrects_id")


@pytest.mark.parametrize("events", [[], "all", [usage_body()] * 1_001])
def test_a_batch_holds_one_to_a_thousand_events(client: FlaskClient, events: object) -> None:
    _, key = new_tenant()
    answer = client.post(URL, json={"events": events}, headers=bearer(key))
    assert (answer.status_code, answer.json["field"]) == (422, "events")


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer ch_1_short"}, {"Authorization": "Basic abc"}])
def test_a_call_without_a_good_key_is_a_401(client: FlaskClient, header: dict[str, str]) -> None:
    answer = client.post(URL, json=usage_body(), headers=header)
    assert (answer.status_code, answer.headers["WWW-Authenticate"].lower()) == (401, "bearer")


def test_a_key_altered_to_name_another_tenant_is_no_key(client: FlaskClient) -> None:
    (one, _), (other, key) = new_tenant(), new_tenant()
    forged = key.replace(f"ch_{other}_", f"ch_{one}_")
    assert client.post(URL, json=usage_body(), headers=bearer(forged)).status_code == 401


def test_another_tenants_event_is_a_404(client: FlaskClient) -> None:
    (_, mine), (_, theirs) = new_tenant(), new_tenant()
    made = client.post(URL, json=usage_body(), headers=bearer(theirs)).json["id"]
    assert client.get(f"{URL}/{made}", headers=bearer(mine)).status_code == 404
    assert client.get(f"{URL}/{2**70}", headers=bearer(mine)).status_code == 404


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        ("{", "application/json", 400),
        ('{"a":' * 99_999, "application/json", 400),
        (b"\xff", "application/json", 400),
        ("a=1", "text/plain", 415),
        ("7", "application/json", 422),
    ],
)
def test_what_is_no_json_object_is_told_so(client: FlaskClient, data: str | bytes, kind: str, status: int) -> None:
    _, key = new_tenant()
    answer = client.post(URL, data=data, content_type=kind, headers=bearer(key))
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"


def test_ledger_and_rollup_agree_after_a_batch_of_a_thousand(client: FlaskClient, app: Flask) -> None:
    _, key = new_tenant()
    events = [usage_body(quantity=n) for n in range(1_000)]
    assert client.post(URL, json={"events": events}, headers=bearer(key)).json["new"] == 1_000
    assert db.session.scalar(select(func.sum(UsageRollup.quantity))) == sum(range(1_000))
    result = app.test_cli_runner().invoke(args=["usage", "verify"])
    assert (result.exit_code, result.output) == (0, "0 differences\n")


def test_a_parameter_given_twice_is_refused(client: FlaskClient) -> None:
    _, key = new_tenant()
    body = [usage_body(), usage_body(quantity=-1)]
    answer = client.post(f"{URL}?atomic=false&atomic=true", json=body, headers=bearer(key))
    assert (answer.status_code, answer.json["field"]) == (422, "atomic")
    assert stored() == 0


def test_a_compressed_body_is_refused_for_what_it_is(client: FlaskClient) -> None:
    _, key = new_tenant()
    headers = {**bearer(key), "Content-Encoding": "gzip"}
    answer = client.post(URL, data=gzip.compress(b"{}"), content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json["detail"].partition(":")[0]) == (415, "Content-Encoding")


@pytest.mark.parametrize("path", [URL, "/api/billing/usage/reservations"])
def test_a_body_in_chunks_over_the_limit_is_too_large_and_not_bad_json(client: FlaskClient, path: str) -> None:
    _, key = new_tenant()
    answer = client.post(
        path,
        input_stream=io.BytesIO(b" " * (4 * 1024 * 1024) + b"{}"),
        content_type="application/json",
        headers={**bearer(key), "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code == 413


def test_a_bad_correction_sent_twice_in_a_batch_is_refused_twice_for_the_same_reason(client: FlaskClient) -> None:
    _, key = new_tenant()
    bad = usage_body(quantity=-1, corrects_id=999_999)
    answer = client.post(f"{URL}?atomic=false", json=[bad, bad, usage_body()], headers=bearer(key))
    first, second, _ = answer.json["events"]
    assert (answer.json["new"], answer.json["refused"]) == (1, 2)
    assert second["errors"] == first["errors"]
    assert first["errors"][0]["message"].endswith("999999 is none")
