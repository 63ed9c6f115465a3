"""What waits for a person is on one page with what can be done about it; the queues' state, even without Redis."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from rq import SimpleWorker
from rq.cron import CronScheduler
from sqlalchemy import select

from dashboard.database import db
from dashboard.jobs import schedule
from dashboard.jobs.metering import sync_meters
from dashboard.jobs.queues import METERING, QUEUES, WEBHOOKS, enqueue
from dashboard.jobs.webhooks import process_stripe_events
from dashboard.models import AuditEntry, WebhookDelivery
from dashboard.wiring import unit_of_work, wiring
from tests.platform import csrf_of, log_in, work_off
from tests.web.staff.scenes import make_eventful_tenant


@pytest.fixture
def staff(app: Flask) -> FlaskClient:
    return log_in(app, staff=True)


def acts() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_an_empty_page_says_that_all_is_well(staff: FlaskClient) -> None:
    page = staff.get("/staff/dead-letters").text
    for sentence in ("Every webhook from Stripe was processed", "Every delivery arrived", "No job has failed."):
        assert sentence in page


def test_failed_deliveries_are_sent_again_by_endpoint(staff: FlaskClient) -> None:
    with unit_of_work() as session:
        tenant_id = make_eventful_tenant(session).id
    page = staff.get("/staff/dead-letters")
    assert "https://acme.example/hook" in page.text
    assert "invoice.payment_failed" in page.text
    address = re.search(rf'action="(/staff/dead-letters/endpoints/{tenant_id}/\d+/replay)"', page.text)
    assert address
    assert staff.post(address.group(1), data={"csrf_token": csrf_of(page)}).status_code == 303
    db.session.rollback()
    assert set(db.session.scalars(select(WebhookDelivery.state))) == {"pending"}
    assert acts() == ["webhook.replayed"]
    none = staff.post(f"/staff/dead-letters/endpoints/{tenant_id}/999/replay", data={"csrf_token": csrf_of(page)})
    assert none.status_code == 404


def test_a_failed_job_is_tried_again_or_dropped(staff: FlaskClient) -> None:
    enqueue(METERING, sync_meters, "no run")
    work_off()
    page = staff.get("/staff/dead-letters")
    assert "sync_meters(no run)" in page.text
    assert "psycopg.errors" in page.text or "DataError" in page.text
    token = {"csrf_token": csrf_of(page)}
    requeue, drop = (found(page.text, verb) for verb in ("requeue", "drop"))
    assert "sync_meters(no run) waits for a worker again." in follow(staff, requeue, token)
    assert staff.post(requeue, data=token).status_code == 404
    work_off()
    assert "sync_meters(no run) is dropped." in follow(staff, drop, token)
    assert "No job has failed." in staff.get("/staff/dead-letters").text
    assert staff.post(drop, data=token).status_code == 404
    assert acts() == ["job.requeued", "job.dropped"]


def test_a_job_that_did_not_fail_is_none_to_requeue(staff: FlaskClient) -> None:
    enqueue(WEBHOOKS, process_stripe_events)
    (job_id,) = wiring().redis.lrange("rq:queue:webhooks", 0, -1)
    page = staff.get("/staff/dead-letters")
    for name in (job_id.decode(), "nothing", "%00", "a:b", "%F0%9F%92%A9"):
        answer = staff.post(f"/staff/dead-letters/jobs/{name}/requeue", data={"csrf_token": csrf_of(page)})
        assert answer.status_code == 404, name


def test_queues_show_what_waits_and_who_works(staff: FlaskClient) -> None:
    page = staff.get("/staff/queues").text
    assert "No worker runs" in page
    assert "Silent" in page
    enqueue(WEBHOOKS, process_stripe_events)
    connection = wiring().redis
    worker = SimpleWorker(list(QUEUES), connection=connection)
    worker.register_birth()
    worker.set_state("idle")
    scheduler = CronScheduler(connection, logging_level="ERROR")
    schedule.register(scheduler)
    scheduler.register_birth()
    page = staff.get("/staff/queues").text
    assert "All is well" in page
    assert worker.name[:8] in page
    assert "1 waiting" in page
    assert "Ticks" in page
    worker.register_death()
    scheduler.register_death()


@pytest.fixture
def redis_down(staff: FlaskClient) -> Iterator[None]:
    """From now on nothing answers where Redis was; staff have logged in before."""
    parts = wiring()
    was = parts.redis
    object.__setattr__(parts, "redis", Redis(host="127.0.0.1", port=1))
    yield
    object.__setattr__(parts, "redis", was)


@pytest.mark.usefixtures("redis_down")
@pytest.mark.parametrize("page", ["/staff/queues", "/staff/dead-letters", "/staff"])
def test_without_redis_the_pages_say_so(staff: FlaskClient, page: str) -> None:
    answer = staff.get(page)
    assert answer.status_code == 200
    assert "Redis" in answer.text
    if page == "/staff/dead-letters":
        said = follow(staff, "/staff/dead-letters/jobs/x/drop", {"csrf_token": csrf_of(answer)})
        assert "Redis cannot be reached" in said


@pytest.mark.parametrize("page", ["", "/tenants", "/tenants/1", "/tenants/1/view", "/dead-letters", "/queues"])
def test_nobody_but_staff_gets_in(app: Flask, client: FlaskClient, page: str) -> None:
    with unit_of_work() as session:
        tenant_id = make_eventful_tenant(session).id
    assert client.get(f"/staff{page}").status_code == 303
    assert log_in(app, tenant_id).get(f"/staff{page}").status_code == 404


def found(page: str, verb: str) -> str:
    address = re.search(rf'action="(/staff/dead-letters/jobs/[^"]+/{verb})"', page)
    assert address
    return address.group(1)


def follow(staff: FlaskClient, address: str, form: dict[str, str]) -> str:
    return staff.post(address, data=form, follow_redirects=True).text
