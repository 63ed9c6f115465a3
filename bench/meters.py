"""The meter sync: claiming for a hundred thousand tenants, and sending to a Stripe on loopback that answers at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import psutil
from sqlalchemy.orm import Session

from bench.figures import Figure
from bench.sandbox import Sandbox, sandbox
from bench.services import Services
from dashboard.app import create_app
from dashboard.billing.ledger.usage_types import LEVELS
from dashboard.billing.metering import Sent, sync_runs
from dashboard.billing.metering.sync_views import find_run
from dashboard.billing.plans.plans import catalog
from dashboard.config import load_settings
from dashboard.database import db
from dashboard.jobs.meter_sending import send_pending
from dashboard.jobs.metering import claim_all
from dashboard.wiring import now, unit_of_work, wiring

TYPES = ("SMS_SENT", "CALL_DURATION_SECONDS", "AI_MESSAGE_GENERATED", "STORAGE_USED_MB")
TENANTS = 100_000
V1_EVENTS, V1_RATE = 16_000, 1_000
V2_EVENTS, V2_RATE = 160_000, 10_000
# Threads that wait for answers most of the time; more of them only wait for each other's turn.
V1_THREADS, V2_THREADS = 8, 4

# Tenants with a customer and a billing period, each with something to tell in this hour for each of the types.
_OWE = (
    """
    INSERT INTO tenants (name, billing_email, stripe_customer_id, created_at)
    SELECT %(name)s, 'owing@bench.example', 'cus_bench' || n, now() FROM generate_series(1, %(tenants)s) n
    """,
    """
    INSERT INTO billing_periods (tenant_id, starts_at, ends_at, subscription_id, plan)
    SELECT id, now() - interval '10 days', now() + interval '20 days', 'sub_' || id, 'professional'
      FROM tenants WHERE name = %(name)s
    """,
    """
    INSERT INTO usage_rollups (tenant_id, usage_type, bucket_start, quantity, events, last_at, recorded_at)
    SELECT id, kind, date_trunc('hour', now()), 1 + id %% 50, 3, now(), now()
      FROM tenants, unnest(CAST(%(types)s AS text[])) AS kind WHERE name = %(name)s
    """,
)
# The tenants stay: they owe nothing any more.
_FORGET = "TRUNCATE meter_events, usage_rollups"


def measure_claim(services: Services) -> Iterator[Figure]:
    """All tenants have used four meters in this hour: seconds until every difference is a frozen meter event."""
    with services.app.app_context(), _owing(services, TENANTS):
        process = psutil.Process()
        before = process.memory_info().rss
        began = time.perf_counter()
        run_id = _claim()
        seconds = time.perf_counter() - began
        with unit_of_work() as session:
            claimed = find_run(session, run_id).claimed
    more = {"tenants": TENANTS, "events": claimed, "memory_mb": round((process.memory_info().rss - before) / 1e6, 1)}
    yield Figure("sync.claim_s", seconds, "s", 60, is_limit=True, more=dict(more))


def measure_send_v1(services: Services) -> Iterator[Figure]:
    """One event a call, limited to Stripe's 1,000 calls a second."""
    limit = {"meter_send_threads": V1_THREADS, "meter_events_per_second": V1_RATE}
    yield _measure_send(services, "sync.send_v1", V1_EVENTS, 1_000, **limit)


def measure_send_v2(services: Services) -> Iterator[Figure]:
    """A hundred events a call on the stream; limited far above what is to be reached."""
    limit = {"meter_send_threads": V2_THREADS, "meter_stream_events_per_second": 5 * V2_RATE}
    yield _measure_send(services, "sync.send_v2", V2_EVENTS, V2_RATE, stripe_meter_stream=True, **limit)


def _measure_send(services: Services, name: str, events: int, reach: float, **settings: Any) -> Figure:
    """Send what is pending with the worker's own code, the whole way: read, note, call, mark."""
    with sandbox(services) as stripe, _app(stripe, settings), _owing(services, events // len(TYPES)):
        _set_up_meters()
        _claim()
        chunks: list[Sent] = []

        def note(_: Session, sent: Sent) -> bool:
            chunks.append(sent)
            return True

        before = _own_cpu(), stripe.cpu_seconds()
        began = time.perf_counter()
        problem = send_pending(note)
        seconds = time.perf_counter() - began
        new = sum(each.new for each in chunks)
        if problem or new != events:
            raise RuntimeError(f"{name}: {new} of {events} were sent: {problem}")
        more = {
            "events": events,
            "cores_of_worker": round((_own_cpu() - before[0]) / seconds, 2),
            "cores_of_sandbox": round((stripe.cpu_seconds() - before[1]) / seconds, 2),
        }
    return Figure(name, new / seconds, "meter events/s", reach, more=dict(more))


@contextmanager
def _app(stripe: Sandbox, settings: dict[str, Any]) -> Iterator[None]:
    """The application with this Stripe."""
    with create_app(load_settings(stripe_api_base=stripe.base, **settings)).app_context():
        yield
        db.engine.dispose()


@contextmanager
def _owing(services: Services, tenants: int) -> Iterator[None]:
    """So many tenants that owe Stripe one event for each type, and meters to tell; afterwards they owe nothing."""
    with services.connect() as connection:
        for usage_type in TYPES:
            meter = catalog().meters[usage_type]
            connection.execute(
                "INSERT INTO catalog_meters VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                (usage_type, f"mtr_{usage_type}", meter.event_name),
            )
        for statement in _OWE:
            connection.execute(statement, {"name": f"Owes {tenants}", "tenants": tenants, "types": list(TYPES)})
        connection.commit()
        connection.autocommit = True
        for table in ("tenants", "billing_periods", "usage_rollups", "meter_events"):
            connection.execute(f"VACUUM (ANALYZE) {table}")
        try:
            yield
        finally:
            connection.execute(_FORGET)


def _set_up_meters() -> None:
    """The meters at Stripe, whose sandbox knows none yet."""
    v1 = wiring().stripe_client.v1
    for usage_type in TYPES:
        name = catalog().meters[usage_type].event_name
        formula = "last" if usage_type in LEVELS else "sum"
        v1.billing.meters.create(
            {"display_name": name, "event_name": name, "default_aggregation": {"formula": cast("Any", formula)}}
        )


def _claim() -> int:
    """A run's claim over all tenants, as the worker does it; the run's id."""
    with unit_of_work() as session:
        run_id, _ = sync_runs.request_sync(session, started_by="bench", now=now())
        sync_runs.begin_run(session, run_id, now())
    claim_all(run_id, None)
    with unit_of_work() as session:
        sync_runs.finish_run(session, run_id, None, now())
    return run_id


def _own_cpu() -> float:
    times = psutil.Process().cpu_times()
    return times.user + times.system
