"""The API's document: valid, complete, and kept by the API itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from schemathesis import CheckContext, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests.factories import usage_body
from tests.platform import bearer, new_tenant

ABOUT = {"/api/openapi.json", "/api/docs"}


def what_is_wrong_is_refused(context: CheckContext, response: Response, case: schemathesis.Case) -> bool | None:
    """With `atomic=false` a batch is answered with 200, and what is wrong in it is refused event by event."""
    told = response.json() if response.status_code < 300 and "json" in response.headers["content-type"][0] else {}
    if (case.query or {}).get("atomic") == "false" and told.get("refused"):
        return None
    return checks.negative_data_rejection(context, response, case)


# Not held: positive_data_acceptance. A document cannot say that either a period or from and to are given, that a
# corrected event must exist, or that a time may not lie ahead; such requests are rightly refused.
HELD = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    what_is_wrong_is_refused,
    checks.missing_required_header,
    checks.unsupported_method,
    checks.ignored_auth,
]


def paths_of(app: Flask) -> set[tuple[str, str]]:
    """Every (path, method) of the application under /api, as a document writes it."""
    return {
        (re.sub(r"<(?:[^<:]+:)?([^>]+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and rule.rule not in ABOUT
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def document_of(client: FlaskClient) -> dict[str, Any]:
    answer = client.get("/api/openapi.json")
    assert answer.status_code == 200
    assert isinstance(answer.json, dict)
    return answer.json


def test_the_document_is_valid_openapi_3_1(client: FlaskClient) -> None:
    document = document_of(client)
    assert document["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(document).validate()


def test_every_route_is_described(app: Flask, client: FlaskClient) -> None:
    paths = document_of(client)["paths"]
    assert {(path, method) for path, methods in paths.items() for method in methods} == paths_of(app)
    for path, methods in paths.items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert operation["tags"], where
            assert [status for status in operation["responses"] if status >= "400"], where
            if "From Stripe and Twilio" not in operation["tags"]:
                (scopes,) = operation["security"]
                assert scopes["key"], where
                assert {"401", "403", "422"} <= set(operation["responses"]), where


def test_every_example_in_the_document_is_taken(client: FlaskClient) -> None:
    _, key = new_tenant()
    bodies = document_of(client)["paths"]["/api/billing/usage/events"]["post"]["requestBody"]["content"]
    assert set(bodies) == {
        "application/json",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
    }
    for media_type, body in bodies.items():
        for name, example in body["examples"].items():
            _, key = new_tenant()
            headers = {**bearer(key), "Content-Type": media_type}
            answer = client.post("/api/billing/usage/events", json=example["value"], headers=headers)
            assert answer.status_code == 201, (name, answer.text)


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_the_api_keeps_to_its_document(app: Flask, client: FlaskClient, mode: GenerationMode) -> None:
    _, key = new_tenant()
    for n in range(3):
        client.post("/api/billing/usage/events", json=usage_body(quantity=n), headers=bearer(key))

    def isolated(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with app.app_context():
            return app(environ, start_response)

    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", isolated)
    for result in schema.get_all_operations():
        operation = result.ok()
        # Where there is nothing but an address, a few requests say it all.
        many = 25 if len(operation.query) or len(operation.body) else 5

        # The same requests in every run: a new find belongs to the change that made it.
        @settings(
            max_examples=many, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def holds(case: schemathesis.Case) -> None:
            case.call_and_validate(headers=bearer(key), checks=HELD)

        holds()
