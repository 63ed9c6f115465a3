"""Tenants that are metered, the worker's own sync, and the two totals that must be equal: the ledger's and Stripe's."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import select, text

from dashboard.billing.ledger.usage import Recorded, record_usage
from dashboard.billing.ledger.usage_input import parse_usage
from dashboard.billing.ledger.usage_types import LEVELS, USAGE_TYPES
from dashboard.billing.plans.plans import catalog, store_meter
from dashboard.database import db
from dashboard.jobs.metering import start_sync, sync_meters
from dashboard.models import MeterEvent, SyncRun, Tenant, UsageRollup
from dashboard.wiring import now, unit_of_work, wiring
from tests.factories import make_period, make_tenant, usage_body

METERED = ("SMS_SENT", "AI_MESSAGE_GENERATED", "STORAGE_USED_MB")


def set_up_meters() -> dict[str, str]:
    """The meters at the sandbox and in the catalogue: their ids by usage type."""
    v1 = wiring().stripe_client.v1
    made = {}
    for usage_type in METERED:
        name = catalog().meters[usage_type].event_name
        formula = "last" if usage_type in LEVELS else "sum"
        meter = v1.billing.meters.create(
            {"display_name": name, "event_name": name, "default_aggregation": {"formula": formula}}  # type: ignore[typeddict-item]
        )
        made[usage_type] = meter.id
        with unit_of_work() as session:
            store_meter(session, USAGE_TYPES[usage_type], meter.id, name)
    return made


def metered_tenant() -> int:
    """A tenant with a customer at the sandbox and a billing period around now."""
    customer = wiring().stripe_client.v1.customers.create({"name": "Metered"})
    with unit_of_work() as session:
        tenant = make_tenant(session, customer=customer.id, now=now())
        make_period(session, tenant, now() - timedelta(days=10), now() + timedelta(days=20))
        return tenant.id


def use(
    tenant_id: int, quantity: int, usage_type: str = "SMS_SENT", ago: timedelta = timedelta(), **more: object
) -> int:
    """Record usage; the id of its ledger row."""
    moment = now()
    body = usage_body(quantity=quantity, usage_type=usage_type, idempotency_key=str(uuid4()), **more)
    if "corrects_id" not in body:
        body["occurred_at"] = (moment - ago).isoformat()
    with unit_of_work() as session:
        recorded = record_usage(session, tenant_id, parse_usage(body, moment), source="test", now=moment)
    assert isinstance(recorded, Recorded)
    return recorded.id


def sync() -> SyncRun:
    """One run of the worker's own function, here and now."""
    with unit_of_work() as session:
        # What a killed worker left running is taken for lost at once.
        session.execute(text("UPDATE sync_runs SET heartbeat_at = heartbeat_at - interval '1 hour'"))
    run_id = start_sync("tests")
    sync_meters(run_id)
    db.session.rollback()
    return db.session.get_one(SyncRun, run_id, populate_existing=True)


def at_stripe(tenant_id: int, meters: dict[str, str]) -> dict[str, int]:
    """What Stripe's meters count for the tenant, by usage type."""
    db.session.rollback()
    customer = db.session.get_one(Tenant, tenant_id).stripe_customer_id or ""
    minute = int(now().timestamp()) // 60 * 60
    v1 = wiring().stripe_client.v1
    found = {}
    for usage_type, meter_id in meters.items():
        rows = v1.billing.meters.event_summaries.list(
            meter_id, {"customer": customer, "start_time": minute - 86_400 * 36, "end_time": minute + 3_600}
        )
        if rows.data:
            found[usage_type] = int(sum(row.aggregated_value for row in rows.data))
    return found


def in_ledger(tenant_id: int) -> dict[str, int]:
    """The same by our rollups: a sum, or the last reading."""
    db.session.rollback()
    rows = db.session.scalars(
        select(UsageRollup).where(UsageRollup.tenant_id == tenant_id).order_by(UsageRollup.bucket_start)
    )
    found: dict[str, int] = {}
    for row in rows:
        found[row.usage_type] = row.quantity + (0 if row.usage_type in LEVELS else found.get(row.usage_type, 0))
    return found


def events_of(tenant_id: int) -> list[MeterEvent]:
    db.session.rollback()
    rows = select(MeterEvent).where(MeterEvent.tenant_id == tenant_id).order_by(MeterEvent.id)
    return list(db.session.scalars(rows.execution_options(populate_existing=True)))
