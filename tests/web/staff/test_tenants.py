"""Staff find a tenant, and read what happened to it on one line of time."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from dashboard.billing.staff.story_sources import KINDS, SAMPLE, SOURCES
from dashboard.billing.staff.tenant_directory import HEALTH
from dashboard.jobs.staff_totals import refresh_staff_totals
from dashboard.wiring import now, unit_of_work
from tests.factories import make_tenant, make_user, record
from tests.platform import log_in
from tests.web.staff.scenes import make_eventful_tenant


@pytest.fixture
def staff(app: Flask) -> FlaskClient:
    return log_in(app, staff=True)


LINE = '<tr><td class="hide-sm">'


def names(client: FlaskClient, query: str = "") -> list[str]:
    page = client.get(f"/staff/tenants?{query}")
    assert page.status_code == 200, page.text
    return re.findall(r'<a class="clip" href="/staff/tenants/\d+">([^<]+)</a>', page.text)


def test_tenants_are_found_by_what_people_know_of_them(staff: FlaskClient) -> None:
    with unit_of_work() as session:
        eventful = make_eventful_tenant(session, "Zebra_1 GmbH")
        quiet = make_tenant(session, name="Alpha", billing_email="bills@alpha.example", now=now())
        make_user(session, quiet, email="ada@elsewhere.example")
        ids = eventful.id, quiet.id
    assert names(staff) == ["Alpha", "Zebra_1 GmbH"]
    for search in ("zebra_1", "cus_" + str(ids[0]), str(ids[0])):
        assert names(staff, f"q={search}") == ["Zebra_1 GmbH"], search
    for search in ("BILLS@alpha", "ada@elsewhere"):
        assert names(staff, f"q={search}") == ["Alpha"], search
    for search in ("zebra%25", "cus_", "99999999999999999999", "%00"):
        assert names(staff, f"q={search}") in ([], ["Alpha", "Zebra_1 GmbH"]), search
    assert names(staff, "plan=starter&state=grace&health=refused") == ["Zebra_1 GmbH"]
    assert names(staff, "plan=free&state=full&health=no_customer") == ["Alpha"]
    assert names(staff, "plan=starter&state=full") == []


def test_the_busiest_come_first_where_asked_for(staff: FlaskClient) -> None:
    with unit_of_work() as session:
        busy = make_tenant(session, name="Busy", now=now())
        make_tenant(session, name="Asleep", now=now())
        for _ in range(3):
            record(session, busy, now=now())
    assert refresh_staff_totals() == 1
    assert names(staff, "sort=usage") == ["Busy", "Asleep"]
    assert names(staff, "sort=name") == ["Asleep", "Busy"]
    page = staff.get("/staff/tenants?sort=usage").text
    assert re.search(r'<td class="num total">3</td>', page)


def test_what_was_used_in_a_period_that_is_over_makes_nobody_busy(staff: FlaskClient) -> None:
    with unit_of_work() as session:
        for name in ("Once busy", "Busy"):
            tenant = make_tenant(session, name=name, now=now())
            record(session, tenant, now=now())
            record(session, tenant, now=now())
        tenant = make_tenant(session, name="Asleep", now=now())
    refresh_staff_totals()
    with unit_of_work() as session:
        session.execute(
            text(
                """UPDATE tenant_period_events n SET period_end = :at, period_start = :at - interval '1 month'
                     FROM tenants t WHERE t.id = n.tenant_id AND t.name = 'Once busy'"""
            ),
            {"at": now() - timedelta(seconds=1)},
        )
    assert names(staff, "sort=usage") == ["Busy", "Once busy", "Asleep"]
    page = staff.get("/staff/tenants?sort=usage").text
    assert re.findall(r'<td class="num total">(\d+)</td>', page) == ["2", "0", "0"]


def test_each_state_of_the_sync_has_its_tenants(staff: FlaskClient) -> None:
    states = {"Refused": ("rejected", 0), "Late": ("pending", 3), "Waiting": ("pending", 0), "In step": ("sent", 3)}
    with unit_of_work() as session:
        for name, (state, hours) in states.items():
            tenant = make_tenant(session, name=name, customer=f"cus_{name}", now=now())
            session.execute(
                text(
                    """INSERT INTO meter_events (tenant_id, identifier, usage_type, bucket_start, sequence, event_name,
                                                 payload, value, timestamp, state, claimed_at)
                       VALUES (:t, :name, 'SMS_SENT', :at, 1, 'sms', '{}', 1, :at, :state, :at)"""
                ),
                {"t": tenant.id, "name": name, "at": now() - timedelta(hours=hours), "state": state},
            )
        make_tenant(session, name="Nobody's", now=now())
    found = {health: names(staff, f"health={health}") for health in HEALTH}
    assert found == {
        "refused": ["Refused"],
        "late": ["Late"],
        "waiting": ["Waiting"],
        "no_customer": ["Nobody&#39;s"],
        "ok": ["In step"],
    }


@pytest.mark.parametrize("sort", ["name", "usage"])
def test_further_tenants_are_on_further_pages(staff: FlaskClient, sort: str) -> None:
    with unit_of_work() as session:
        for n in range(51):
            tenant = make_tenant(session, name=f"Tenant {n % 7}", now=now())
            if n % 5 == 0:
                record(session, tenant, now=now())
    refresh_staff_totals()
    first = staff.get(f"/staff/tenants?sort={sort}").text
    following = re.search(r'href="(/staff/tenants\?after=[^"]+)">More', first)
    assert following
    second = staff.get(unescape(following.group(1))).text
    ids = [re.findall(r'class="clip" href="/staff/tenants/(\d+)"', page) for page in (first, second)]
    assert [len(each) for each in ids] == [50, 1]
    assert len({*ids[0], *ids[1]}) == 51


@pytest.mark.parametrize("query", ["plan=gold", "state=x", "health=x", "sort=x", "after=x", "after=²"])
def test_a_filter_that_means_nothing_is_a_400_that_names_it(staff: FlaskClient, query: str) -> None:
    page = staff.get(f"/staff/tenants?{query}")
    assert page.status_code == 400
    assert f"{query.partition('=')[0]}: must be" in page.text


def test_a_story_tells_everything_and_each_kind_alone(staff: FlaskClient) -> None:
    with unit_of_work() as session:
        tenant_id = make_eventful_tenant(session).id
    page = staff.get(f"/staff/tenants/{tenant_id}").text
    told = unescape(page)
    for sentence in (
        "The account was made",
        "Subscribed to Starter, monthly",
        "A payment is overdue: the grace began",
        "Invoice CH-0001: $29.00",
        "Payment of $29.00 failed",
        "Your card was declined.",
        "invoice.payment_failed",
        "Meter sync asked for by staff@example.com",
        "Stripe refused 120 of SMS sent",
        "Import of may.csv",
        "Usage of this day that came more than an hour later",
        "Usage corrected or taken back on this day",
        "80% of what the plan includes of SMS sent is used",
        "Cap of 500 set for SMS sent",
        "Budget of $50.00 a period set",
        "usage.threshold_reached did not reach the tenant's endpoint",
        "$29.00 since",
    ):
        assert sentence in told, sentence
    for kind in KINDS:
        alone = staff.get(f"/staff/tenants/{tenant_id}?kind={kind}")
        assert alone.status_code == 200
        assert alone.text.count(LINE) < page.count(LINE), kind
    assert {source.kind for source in SOURCES} == set(KINDS)


def test_a_story_is_paged_without_gap_or_repeat(staff: FlaskClient) -> None:
    with unit_of_work() as session:
        tenant = make_eventful_tenant(session)
        tenant_id, customer = tenant.id, tenant.stripe_customer_id
        for n in range(120):  # thirty at each of four moments
            session.execute(
                text(
                    """INSERT INTO stripe_events (id, type, customer_id, created_at, received_at, next_attempt_at,
                                                  state)
                       VALUES (:id, 'invoice.paid', :customer, :at, :at, :at, 'processed')"""
                ),
                {"id": f"evt_{n:03}", "customer": customer, "at": now() - timedelta(days=n // 30)},
            )
    pages = list(follow(staff, f"/staff/tenants/{tenant_id}"))
    links = [link for page in pages for link in re.findall(r'href="/staff/webhooks/(evt_\d+)"', page)]
    assert len(links) == len(set(links)) == 121
    assert len(pages) == 3


def test_a_day_with_more_rows_than_are_looked_at_says_so(staff: FlaskClient) -> None:
    with unit_of_work() as session:
        tenant_id = make_tenant(session, now=now() - timedelta(days=90)).id
        session.execute(
            text(
                """INSERT INTO meter_events (tenant_id, identifier, usage_type, bucket_start, sequence, event_name,
                                             payload, value, timestamp, state, claimed_at)
                   SELECT :t, 'x' || n, 'SMS_SENT', :at, n, 'sms', '{}', 1, :at, 'sent',
                          :at + n / 400 * interval '1 day' FROM generate_series(1, 2399) n"""
            ),
            {"t": tenant_id, "at": now().replace(hour=1) - timedelta(days=30)},
        )
    told = [re.findall(r"(\d+) sent of", page) for page in follow(staff, f"/staff/tenants/{tenant_id}?kind=sync")]
    assert [int(each) for page in told for each in page] == [400, 400, 400, 400, 400, 399]
    with unit_of_work() as session:
        session.execute(text("UPDATE meter_events SET claimed_at = (SELECT min(claimed_at) FROM meter_events)"))
    page = staff.get(f"/staff/tenants/{tenant_id}?kind=sync").text
    assert f"{SAMPLE:,} sent of {SAMPLE:,} or more" in page


@pytest.mark.parametrize("query", ["kind=x", "before=x", "before=2026-01-01|a|b", "before=0001-01-01T00:00:00Z|a|b"])
def test_a_part_of_a_story_there_is_not_is_a_400(staff: FlaskClient, query: str) -> None:
    with unit_of_work() as session:
        tenant_id = make_tenant(session).id
    assert staff.get(f"/staff/tenants/{tenant_id}?{query}").status_code == 400
    assert staff.get(f"/staff/tenants/{2**62}?{query}").status_code == 404


def follow(client: FlaskClient, address: str | None) -> list[str]:
    """Every page from this one to the last."""
    pages = []
    while address:
        page = client.get(address)
        assert page.status_code == 200, page.text
        pages.append(page.text)
        found = re.search(r'href="(/staff/tenants/[^"]+)">Older', page.text)
        address = unescape(found.group(1)) if found else None
    return pages
