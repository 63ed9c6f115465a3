"""The usage page and the actions under it: everything stands in the address, and any address gets an answer."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from dashboard.database import db
from dashboard.models import Tenant
from dashboard.wiring import unit_of_work
from tests.factories import record
from tests.platform import log_in, new_tenant

NOW = datetime.now(UTC).replace(microsecond=0)
# What every page asks before it begins: who, which tenant, in which role, its state, unread notices, tenants to choose.
OF_THE_SHELL = 6
NASTY = [
    "",
    "0",
    "-1",
    "%",
    "../../etc",
    "<script>alert(1)</script>",
    "'; DROP TABLE tenants; --",
    "\u202egnp",
    "😀\U0001d518",
    "x" * 5_000,
]
NAMES = [
    "period",
    "from",
    "to",
    "family",
    "granularity",
    "group_by",
    "user",
    "resource_type",
    "resource",
    "type",
    "cursor",
    "format",
]


@pytest.fixture
def tenant_id(app: Flask) -> int:
    """A tenant whose people did something now, a day and eight weeks ago: on three days, whatever the hour."""
    tenant_id, _ = new_tenant()
    with unit_of_work() as session:
        tenant = session.get_one(Tenant, tenant_id)
        tenant.created_at = NOW - timedelta(days=90)
        for n in range(6):
            moment = NOW - (timedelta(0), timedelta(days=1), timedelta(days=56))[n % 3]
            record(
                session,
                tenant,
                now=NOW,
                quantity=n + 1,
                user_id=("ada", "=cmd|x")[n % 2],
                resource_type="conversation",
                resource_id=f"c-{n}",
                metadata={"campaign": "<b>spring</b>"},
                occurred_at=moment.isoformat(),
            )
    return tenant_id


@pytest.fixture
def browser(app: Flask, tenant_id: int) -> FlaskClient:
    return log_in(app, tenant_id)


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that are sent meanwhile."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def links(page: str, pattern: str) -> list[str]:
    return [unescape(found) for found in re.findall(rf'href="([^"]*{pattern}[^"]*)"', page)]


def test_a_bar_leads_to_its_day_to_a_user_and_to_the_single_actions(browser: FlaskClient, tenant_id: int) -> None:
    day = f"{NOW - timedelta(days=1):%Y-%m-%d}"
    page = browser.get(f"/tenants/{tenant_id}/usage?from={NOW - timedelta(days=3):%Y-%m-%d}").text
    (bar, *_) = links(page, f"from={day}")
    hours = browser.get(bar).text
    assert "Text messages per hour" in hours
    (of_ada, *_) = links(hours, 'usage/actions[^"]*user=ada')
    actions = browser.get(of_ada).text
    assert "campaign</span> &lt;b&gt;spring&lt;/b&gt;" in actions
    assert actions.count('<tr id="a') == 1
    assert "c-4" in actions


def test_a_split_by_user_names_them_and_adds_up(browser: FlaskClient, tenant_id: int) -> None:
    page = browser.get(f"/tenants/{tenant_id}/usage?from={NOW - timedelta(days=60):%Y-%m-%d}&group_by=user").text
    assert 'data-series="2">ada</th>' in page
    assert 'data-series="1">=cmd|x</th>' in page
    assert "Total <b>21</b>" in page


def test_the_file_is_the_table_on_screen(browser: FlaskClient, tenant_id: int) -> None:
    query = f"from={NOW - timedelta(days=60):%Y-%m-%d}&group_by=user&format=csv"
    answer = browser.get(f"/tenants/{tenant_id}/usage?{query}")
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["from", "to", "'=cmd|x", "ada", "segments", "before"]
    assert sum(int(row[4]) for row in rows[1:]) == 21
    assert 'filename="usage-texts-' in answer.headers["Content-Disposition"]


def test_actions_come_page_by_page_and_whole_as_a_file(browser: FlaskClient, tenant_id: int, app: Flask) -> None:
    with unit_of_work() as session:
        tenant = session.get_one(Tenant, tenant_id)
        for n in range(120):
            record(session, tenant, now=NOW, occurred_at=(NOW - timedelta(minutes=n)).isoformat())
    address = f"/tenants/{tenant_id}/usage/actions?from={(NOW - timedelta(days=60)).date()}&family=SMS_SENT"
    seen: list[str] = []
    while address:
        page = browser.get(address).text
        seen += re.findall(r'<tr id="a(\d+)"', page)
        address = next(iter(links(page, "cursor=")), "")
    assert len(seen) == len(set(seen)) == 126
    whole = browser.get(f"/tenants/{tenant_id}/usage/actions?from={(NOW - timedelta(days=60)).date()}&format=csv").text
    assert [row["id"] for row in csv.DictReader(io.StringIO(whole))] == seen


@pytest.mark.parametrize(
    "query",
    [
        "",
        "family=storage",
        "group_by=user",
        "period=previous&group_by=resource",
        "from=2026-01-01T10:20:00Z&to=2026-01-08T11:30:00Z",
        f"from={NOW:%Y-%m-%d}&resource_type=conversation&group_by=resource",
    ],
)
def test_a_page_asks_the_database_six_times_at_most(browser: FlaskClient, tenant_id: int, query: str) -> None:
    for page in ("usage", "usage/actions"):
        with counted() as sent:
            assert browser.get(f"/tenants/{tenant_id}/{page}?{query}").status_code == 200
        assert len(sent) - OF_THE_SHELL <= 6, sent


@pytest.mark.parametrize("page", ["usage", "usage/actions"])
def test_any_query_gets_an_answer(browser: FlaskClient, tenant_id: int, page: str) -> None:
    for name in NAMES:
        for value in NASTY:
            answer = browser.get(f"/tenants/{tenant_id}/{page}", query_string={name: value})
            assert answer.status_code in {200, 404, 422}, (name, value)
            assert "<script>alert" not in answer.text


def test_a_query_that_cannot_be_says_why_and_shows_the_current_period(browser: FlaskClient, tenant_id: int) -> None:
    answer = browser.get(f"/tenants/{tenant_id}/usage?from=soon")
    assert answer.status_code == 422
    assert "<b>from</b> must be a date" in answer.text
    assert "Text messages per day" in answer.text
