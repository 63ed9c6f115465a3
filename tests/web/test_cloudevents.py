"""CloudEvents as usage events: structured and in batches."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from dashboard.database import db
from dashboard.models import UsageEvent
from tests.platform import bearer, new_tenant

URL = "/api/billing/usage/events"
STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"


def cloudevent(**more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/conversations",
        "type": "AI_MESSAGE_GENERATED",
        "time": "2026-06-01T09:30:00Z",
        "subject": "ada",
        "data": {"quantity": 2, "resource_type": "conversation", "resource_id": "c-17", "metadata": {"tokens": 9}},
        **more,
    }


def post(client: FlaskClient, key: str, body: object, kind: str, query: str = "") -> Any:
    return client.post(URL + query, data=json.dumps(body), content_type=kind, headers=bearer(key))


def test_a_cloudevent_becomes_a_usage_event(client: FlaskClient) -> None:
    _, key = new_tenant()
    answer = post(client, key, cloudevent(traceparent="00-abc"), STRUCTURED)
    assert answer.status_code == 201
    event = db.session.scalars(select(UsageEvent)).one()
    assert (event.usage_type, event.quantity, event.user_id) == ("AI_MESSAGE_GENERATED", 2, "ada")
    assert (event.resource_type, event.resource_id) == ("conversation", "c-17")
    assert event.occurred_at.isoformat() == "2026-06-01T09:30:00+00:00"
    assert event.details == {"tokens": 9, "cloudevent": {"traceparent": "00-abc"}}


def test_source_and_id_together_tell_a_repeat(client: FlaskClient) -> None:
    _, key = new_tenant()
    events = [cloudevent(), cloudevent(), cloudevent(source="/campaigns"), cloudevent(id="e-2")]
    answer = post(client, key, events, BATCH)
    assert (answer.json["new"], answer.json["duplicates"]) == (3, 1)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ""}, "id"),
        ({"id": "x" * 201}, "id"),
        ({"source": None}, "source"),
        ({"type": "com.example.fax"}, "type"),
        ({"time": "noon"}, "time"),
        ({"subject": 7}, "subject"),
        ({"data": [1]}, "data"),
        ({"data_base64": "AA=="}, "data"),
        ({"data": {"quantity": -1}}, "data.quantity"),
        ({"data": {"quantity": 1, "user_id": 7}}, "data.user_id"),
        ({"data": {"quantity": 1, "colour": 7}}, "data.colour"),
    ],
)
def test_a_bad_attribute_is_named_as_the_cloudevent_has_it(
    client: FlaskClient, change: dict[str, Any], field: str
) -> None:
    _, key = new_tenant()
    answer = post(client, key, cloudevent(**change), STRUCTURED)
    assert (answer.status_code, answer.json["field"]) == (422, field)
    in_batch = post(client, key, [cloudevent(), cloudevent(**{"id": "e-2", **change})], BATCH, "?atomic=false")
    assert in_batch.json["new"] == 1
    assert in_batch.json["events"][1]["errors"][0]["field"] == field


def test_no_two_cloudevents_share_a_key(client: FlaskClient) -> None:
    _, key = new_tenant()
    events = [cloudevent(source="urn:a", id="b#1"), cloudevent(source="urn:a#b", id="1"), cloudevent(id="b%231")]
    answer = post(client, key, events, BATCH)
    assert (answer.status_code, answer.json["new"]) == (201, 3)


@pytest.mark.parametrize("metadata", [5, {"cloudevent": "mine"}])
def test_metadata_that_extensions_would_displace_is_refused_and_not_lost(client: FlaskClient, metadata: object) -> None:
    _, key = new_tenant()
    answer = post(client, key, cloudevent(traceparent="00-abc", data={"quantity": 1, "metadata": metadata}), STRUCTURED)
    assert (answer.status_code, answer.json["field"]) == (422, "data.metadata")


@pytest.mark.parametrize("source", ["s" * 199, "sms:gateway"])
def test_what_is_wrong_with_source_and_id_together_names_both(client: FlaskClient, source: str) -> None:
    _, key = new_tenant()
    answer = post(client, key, cloudevent(source=source), STRUCTURED)
    assert (answer.status_code, answer.json["field"]) == (422, "id")
    assert answer.json["allowed"].startswith("source, # and id together are the idempotency key, which must")
