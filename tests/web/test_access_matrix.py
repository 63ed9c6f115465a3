"""Who gets in where: every route and method against everybody who might ask, by the tables of `who_gets_in`.

A new route fails here until it stands in a table: that is the moment to decide who may use it. Where a test fails that
did not before, somebody gets in who should not, or is kept out who should not be: change the view, not the table.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from dashboard.models import Role
from dashboard.wiring import wiring
from tests.platform import bearer, log_in, new_tenant
from tests.web.walking import World, make_world, methods_of, rules
from tests.web.who_gets_in import INVITED, KEYED, MEMBERS_PAGES, PUBLIC, READERS, SIGNED, STAFF_PAGES, TENANT_PAGES

TENANT_ROLES = (*READERS, "anonymous", "stranger", "staff", "viewing staff")


@dataclass(frozen=True, slots=True)
class Route:
    """One way to ask for something."""

    name: str
    method: str
    address: str
    rule: Rule

    @property
    def blueprint(self) -> str:
        """Where it belongs."""
        return self.rule.endpoint.partition(".")[0]

    @property
    def endpoint_is_of_a_line(self) -> bool:
        """Whether it explains a line of an invoice."""
        return self.rule.endpoint.startswith("tenant.invoice_line")

    @property
    def has_own_id(self) -> bool:
        """Whether it is about one thing of the tenant, beside the tenant itself."""
        return bool(self.rule.arguments - {"tenant_id", "usage_type", *(self.rule.defaults or {})})


@pytest.fixture
def world(app: Flask) -> World:
    # What is tried here is who gets in; that forms need their token is tried in test_pages.
    app.config["WTF_CSRF_ENABLED"] = False
    return make_world(name="Acme")


def routes(app: Flask, world: World) -> list[Route]:
    """All of them, those that only read first: what the others do away with is still there then."""
    found = [
        Route(f"{method} {rule.endpoint}", method, world.address(rule), rule)
        for rule in rules(app)
        for method in methods_of(rule)
    ]
    return sorted(found, key=lambda route: route.method != "GET")


def test_every_route_stands_in_a_table(app: Flask) -> None:
    found = {f"{method} {rule.endpoint}" for rule in rules(app) for method in methods_of(rule)}
    keyed = {name for name in found if name.partition(" ")[2].partition(".")[0] in KEYED}
    known = {*TENANT_PAGES, *STAFF_PAGES, *MEMBERS_PAGES, *PUBLIC, *INVITED, *SIGNED, *keyed}
    missing, gone = sorted(found - known), sorted(known - found)
    lines = "\n".join(
        f'    "{name}": READERS or BUYERS,' if " tenant." in name else f'    "{name}",' for name in missing
    )
    assert not missing, f"decide who may use these, and put them into a table of tests/web/who_gets_in.py:\n{lines}"
    assert not gone, f"there is no such route any more, take it out of its table: {', '.join(gone)}"


def test_a_tenants_pages_open_to_its_own_people_by_their_role(app: Flask, world: World) -> None:
    browsers = browsers_of(app, world)
    wrong = []
    for route in routes(app, world):
        if route.name in TENANT_PAGES:
            for who in TENANT_ROLES:
                answer = ask(browsers[who], route)
                if not is_right(route, who, answer):
                    wrong.append(f"{route.name} as {who}: {answer.status_code} {answer.headers.get('Location', '')}")
    assert not wrong, "\n".join(wrong)


def test_staff_pages_open_to_staff_alone(app: Flask, world: World) -> None:
    browsers = browsers_of(app, world)
    wrong = []
    for route in routes(app, world):
        if route.name in STAFF_PAGES:
            found = {who: ask(browsers[who], route) for who in ("anonymous", "viewer", "owner", "stranger", "staff")}
            if not is_sent_to_login(found["anonymous"]):
                wrong.append(f"{route.name}: no login is asked for, {found['anonymous'].status_code}")
            wrong += [
                f"{route.name} as {who}: {found[who].status_code}"
                for who in ("viewer", "owner", "stranger")
                if found[who].status_code != 404
            ]
            if found["staff"].status_code in {401, 403} or is_sent_to_login(found["staff"]):
                wrong.append(f"{route.name}: staff are kept out, {found['staff'].status_code}")
    assert not wrong, "\n".join(wrong)


def test_ones_own_pages_ask_for_a_login(app: Flask, world: World) -> None:
    anonymous, owner = app.test_client(), log_in(app, world.tenant_id)
    for route in routes(app, world):
        if route.name in MEMBERS_PAGES:
            assert is_sent_to_login(ask(anonymous, route)), route.name
            assert ask(owner, route).headers["Location"].startswith(f"/tenants/{world.tenant_id}"), route.name
        elif route.name in PUBLIC:
            assert ask(anonymous, route).status_code not in {401, 403, 404}, route.name
        elif route.name in INVITED:
            assert ask(anonymous, route).status_code == ask(owner, route).status_code == 404, route.name


def test_without_its_signature_a_callback_is_refused(app: Flask, world: World) -> None:
    anonymous = app.test_client()
    for route in routes(app, world):
        if route.name in SIGNED:
            answer = anonymous.open(route.address, method=route.method, data={"a": "b"})
            assert answer.status_code in {400, 401, 403}, f"{route.name}: {answer.status_code}"


def test_the_api_opens_to_the_tenants_own_keys_alone(app: Flask, world: World) -> None:
    _, foreign = new_tenant()
    keys = {"nobody": {}, "nonsense": bearer("ch_1_nonsense"), "foreign": bearer(foreign)}
    person = log_in(app, world.tenant_id)
    client = app.test_client()
    wrong = []
    for route in routes(app, world):
        if route.blueprint in KEYED:
            tried = {who: ask(client, route, keys[who]) for who in keys}
            tried["a person's cookie"] = ask(person, route, {})
            answer = tried.pop("foreign")
            wrong += [
                f"{route.name} with {who}: {each.status_code}" for who, each in tried.items() if each.status_code != 401
            ]
            if route.has_own_id and answer.status_code not in {404, 409, 422}:
                wrong.append(f"{route.name} with a key of another tenant: {answer.status_code}")
            if "Acme" in answer.text or "CH-0001" in answer.text:
                wrong.append(f"{route.name} tells another tenant's key of this one")
    assert not wrong, "\n".join(wrong)


def browsers_of(app: Flask, world: World) -> dict[str, FlaskClient]:
    """Everybody who might ask for a page."""
    other, _ = new_tenant()
    found = {role.value: log_in(app, world.tenant_id, role) for role in Role}
    found |= {"anonymous": app.test_client(), "stranger": log_in(app, other), "staff": log_in(app, staff=True)}
    viewing = log_in(app, staff=True)
    address = f"/staff/tenants/{world.tenant_id}/view"
    assert viewing.post(address, data={"reason": "tests"}).status_code == 303
    return {**found, "viewing staff": viewing}


def ask(client: FlaskClient, route: Route, headers: dict[str, str] | None = None) -> TestResponse:
    """One request with nothing in it: it is refused at the door, or behind it. With headers it is one of the API."""
    wiring().redis.flushall()
    body = {"json": {}} if headers is not None and route.method != "GET" else {}
    return client.open(route.address, method=route.method, headers=headers, buffered=True, **body)


def is_sent_to_login(answer: TestResponse) -> bool:
    return answer.status_code == 303 and answer.headers["Location"].startswith("/login")


def is_right(route: Route, who: str, answer: TestResponse) -> bool:
    """Whether this answer to this person is as the tables say."""
    is_read = route.method == "GET"
    if who == "anonymous":
        return is_sent_to_login(answer)
    if who == "stranger":
        return answer.status_code == 404
    if who == "staff":
        asked = answer.status_code == 303 and "/view" in answer.headers["Location"]
        return asked if is_read else answer.status_code == 403
    if who == "viewing staff":
        may = is_read and not {"viewer", "staff"}.isdisjoint(TENANT_PAGES[route.name])
        if may and route.endpoint_is_of_a_line:  # the world's invoice has none
            return answer.status_code == 404
        return answer.status_code not in {303, 401, 403, 404} if may else answer.status_code == 403
    if who not in TENANT_PAGES[route.name]:
        return answer.status_code == 403
    # A thing may be gone by the time somebody else asks; the way out of a form leads back to its page.
    return answer.status_code not in {401, 403} and not is_sent_to_login(answer)
