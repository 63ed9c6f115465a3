"""A page makes at most 6 SQL queries beyond those that find the session and the tenant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from sqlalchemy import event

from dashboard.database import db
from dashboard.jobs.staff_totals import refresh_staff_totals
from tests.platform import log_in
from tests.web.walking import World, make_world, rules

MOST = 6
# Pages that may make more, and why. A number only ever goes down; no page is added that reads more with more history.
MORE = {
    "tenant.preview_plan": (99, "asks Stripe, which takes longer than any query of ours"),
    "tenant.ask_cancel": (99, "asks Stripe, which takes longer than any query of ours"),
    "tenant.payment_methods": (99, "asks Stripe, which takes longer than any query of ours"),
}


@pytest.fixture
def world(app: Flask) -> World:
    return make_world(name="Acme")


class Counter:
    """The statements of the view, once who is asking is known."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def begin(self) -> None:
        self.statements.clear()


@contextmanager
def counting(app: Flask) -> Iterator[Counter]:
    """Count from the moment when the last `before_request` has run: what came before is session and login."""
    counter = Counter()

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        counter.statements.append(statement)

    for name in app.blueprints:
        app.before_request_funcs.setdefault(name, []).append(counter.begin)
    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield counter
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


@pytest.mark.parametrize("who", ["owner", "staff"])
def test_every_page_makes_few_queries(app: Flask, world: World, who: str) -> None:
    refresh_staff_totals()
    reader = log_in(app, world.tenant_id) if who == "owner" else log_in(app, staff=True)
    blueprint = "tenant" if who == "owner" else "staff"
    slow = {}
    with counting(app) as counter:
        for rule in rules(app, "GET"):
            if rule.endpoint.partition(".")[0] == blueprint:
                address = world.address(rule)
                reader.get(address)
                if len(counter.statements) > MORE.get(rule.endpoint, (MOST, ""))[0]:
                    slow[f"{rule.endpoint} ({address})"] = list(counter.statements)
    told = "\n\n".join(f"{page} makes {len(found)}:\n" + "\n".join(found) for page, found in slow.items())
    assert not slow, f"read more in one query (or name the page in MORE with the reason):\n{told}"
