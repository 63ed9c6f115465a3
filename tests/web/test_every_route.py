"""Whatever stands in an address, the answer is a page or a clear message: never a 500, never somebody's script.

The walk asks each view what it reads, so a new route and a new parameter are walked by themselves. Where it fails, the
message says the address: open it, and check the parameter as `billing/fields.py` or the view's neighbours do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote, urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from tests.platform import bearer, csrf_of, log_in
from tests.web.walking import SCRIPT, World, documented_parameters, make_world, noting_parameters, rules

NASTY = (
    SCRIPT,
    "'\"><img src=x onerror=alert('x')>",
    "\x00",
    "2026-02-30",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59+14:00",
    "99999999999999999999",
    "-1",
    "²",
    "١٢٣",
    "‮مرحبا\u200f",
    "🦊" * 40,
    "\ud800",
    "x" * 5_000,
    "a|b|c",
    "../../etc/passwd",
    "%",
)
FINE = {200, 201, 204, 303, 302, 308, 400, 403, 404, 409, 413, 414, 422, 503}
# They answer from a file, or are walked by their own tests.
ELSEWHERE = {"static", "openapi.spec"}


@pytest.fixture
def world(app: Flask) -> World:
    return make_world()


def test_no_address_breaks_the_tenants_pages(app: Flask, world: World) -> None:
    owner = log_in(app, world.tenant_id)
    asked = walk(app, owner, world, of=("tenant", "auth", "invitations"))
    assert {"period", "status", "q", "after", "before", "cursor"} <= asked


def test_no_address_breaks_the_staff_pages(app: Flask, world: World) -> None:
    staff = log_in(app, staff=True)
    asked = walk(app, staff, world, of=("staff",))
    assert {"q", "plan", "kind", "before", "state", "type", "to"} <= asked


def test_no_address_breaks_the_api(app: Flask, client: FlaskClient, world: World) -> None:
    client.environ_base.update({"HTTP_AUTHORIZATION": bearer(world.key)["Authorization"]})
    blueprints = {rule.endpoint.partition(".")[0] for rule in rules(app, "GET") if rule.rule.startswith("/api/")}
    asked = walk(app, client, world, of=tuple(blueprints))
    assert {"from", "to", "group_by"} <= asked


def test_staff_see_a_tenants_pages_as_they_are(app: Flask, world: World) -> None:
    staff = log_in(app, staff=True)
    address = f"/staff/tenants/{world.tenant_id}/view"
    form = {"csrf_token": csrf_of(staff.get(address)), "reason": SCRIPT}
    assert staff.post(address, data=form).status_code == 303
    for rule in chosen(app, ("tenant",)):
        check(staff.get(world.address(rule)), world.address(rule))


def walk(app: Flask, client: FlaskClient, world: World, *, of: tuple[str, ...]) -> set[str]:
    """Every GET of these blueprints: as it is, with each parameter spoiled, with each part of its path spoiled."""
    everything: set[str] = set()
    documented = documented_parameters(app)
    for rule in chosen(app, of):
        own = world.address(rule)
        names = parameters_of(app, client, own) | documented.get(rule.endpoint, set())
        everything |= names
        for query in spoiled_queries(sorted(names)):
            check(client.get(f"{own}?{query}"), f"{own}?{query}")
        for address in spoiled_paths(world, rule):
            check(client.get(address), address)
    return everything


def chosen(app: Flask, of: Iterable[str]) -> list[Rule]:
    return [
        rule for rule in rules(app, "GET") if rule.endpoint.partition(".")[0] in of and rule.endpoint not in ELSEWHERE
    ]


def parameters_of(app: Flask, client: FlaskClient, address: str) -> set[str]:
    """What the view asks for: some parameters only once another is there, so it is asked again with those it knows."""
    known: set[str] = set()
    with noting_parameters(app) as asked:
        for _ in range(3):
            check(client.get(f"{address}?{urlencode(dict.fromkeys(sorted(known), 'x'))}"), address)
            if asked <= known:
                break
            known |= asked
    return known - {"csrf_token"}


def spoiled_queries(names: list[str]) -> Iterator[str]:
    for value in NASTY:
        for name in names:
            yield urlencode({name: value}, errors="surrogatepass")
        if names:
            yield urlencode([(name, value) for name in names for _ in range(2)], errors="surrogatepass")


def spoiled_paths(world: World, rule: Rule) -> Iterator[str]:
    """Script, NUL, over-long and foreign ids in each part of the path but the tenant's."""
    for name in rule.arguments - {"tenant_id", *(rule.defaults or {})}:
        for value in (SCRIPT.replace("/", ""), "\x00", "🦊", "x" * 300, "0", str(2**63), "-1", "1e3"):
            mark = "7777777"
            own = world.address(rule, **{name: 7777777 if isinstance(world.ids[name], int) else mark})
            yield own.replace(mark, quote(value, safe=""))


def check(answer: TestResponse, address: str) -> None:
    shown = address if len(address) < 300 else f"{address[:300]}…"
    assert answer.status_code in FINE, f"{answer.status_code} at {shown!r}: check what the view reads"
    if answer.mimetype == "text/html":
        assert "<script>alert" not in answer.text, f"script is not escaped at {shown!r}"
        assert "<img src=x" not in answer.text, f"markup is not escaped at {shown!r}"
    elif answer.status_code >= 400 and address.startswith("/api/"):
        assert answer.mimetype == "application/problem+json", f"no problem+json at {shown!r}"
