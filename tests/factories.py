"""Things to test with, each with defaults that make sense."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy.orm import Session

from dashboard.billing.ledger.usage import Recorded, record_usage
from dashboard.billing.ledger.usage_input import parse_usage
from dashboard.billing.periods.period_learning import learn_period
from dashboard.billing.plans.plans import catalog, store_meter
from dashboard.billing.tenants import accounts
from dashboard.models import Role, Tenant, User

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
_numbers = count(1)
PASSWORD = "correct horse battery"


def make_tenant(session: Session, **more: Any) -> Tenant:
    """A tenant; `customer` gives it a Stripe customer id."""
    n = next(_numbers)
    customer = more.pop("customer", None)
    given = {"name": f"Tenant {n}", "billing_email": f"billing{n}@tenant.example", "sms_from": None, "now": NOON}
    tenant = accounts.create_tenant(session, **{**given, **more})
    tenant.stripe_customer_id = customer
    session.flush()
    return tenant


def make_user(session: Session, tenant: Tenant | None = None, role: Role = Role.OWNER, **more: Any) -> User:
    """A person, a member of `tenant` if one is given."""
    n = next(_numbers)
    given = {"email": f"person{n}@tenant.example", "name": f"Person {n}", "password": PASSWORD, "now": NOON}
    user = accounts.create_user(session, **{**given, **more})
    if tenant is not None:
        accounts.add_member(session, tenant, user, role)
    return user


def usage_body(**more: Any) -> dict[str, Any]:
    """A usage event as a service would send it."""
    return {"usage_type": "SMS_SENT", "quantity": 1, "idempotency_key": f"key-{next(_numbers)}", **more}


def record(session: Session, tenant: Tenant, *, now: datetime = NOON, **more: Any) -> Recorded:
    """Record one usage event now."""
    body: Mapping[str, Any] = usage_body(**more)
    return record_usage(session, tenant.id, parse_usage(body, now), source="test", now=now)


def make_period(
    session: Session,
    tenant: Tenant,
    starts_at: datetime = NOON - timedelta(days=10),
    ends_at: datetime = NOON + timedelta(days=20),
    plan: str = "starter",
) -> None:
    """A billing period with a subscription."""
    learn_period(
        session, tenant.id, starts_at=starts_at, ends_at=ends_at, subscription_id=f"sub_{tenant.id}", plan=plan
    )


def make_meters(session: Session) -> None:
    """The meters as `flask stripe setup` stores them."""
    for meter in catalog().meters.values():
        store_meter(session, meter.usage_type, f"mtr_{meter.event_name}", meter.event_name)
