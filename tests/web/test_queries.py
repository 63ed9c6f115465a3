"""A parameter that a call does not take is refused by its name, on every route of the API."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from tests.platform import bearer
from tests.web.walking import make_world, methods_of, rules
from tests.web.who_gets_in import KEYED


def test_no_call_with_a_key_takes_a_parameter_that_it_does_not_know(app: Flask, client: FlaskClient) -> None:
    world = make_world()
    calls = [
        (method, world.address(rule))
        for rule in rules(app)
        if rule.endpoint.partition(".")[0] in KEYED
        for method in methods_of(rule)
    ]
    assert len(calls) > 30
    for method, address in calls:
        body = {} if method == "GET" else {"json": {}}
        answer = client.open(f"{address}?perod=current", method=method, headers=bearer(world.key), **body)
        where = f"{method} {address}"
        assert answer.status_code == 422, where
        assert answer.json["field"] == "perod", where
        assert answer.json["allowed"].startswith("is not a parameter; "), where


def test_a_wrong_parameter_tells_nothing_to_a_caller_without_a_key(app: Flask, client: FlaskClient) -> None:
    assert client.get("/api/webhook-endpoints?nonsense=1").status_code == 401
