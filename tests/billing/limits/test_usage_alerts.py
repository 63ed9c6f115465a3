"""Usage near what the plan includes is told once for each type, amount and period."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.limits.usage_alerts import OVERLAP, announce_thresholds, list_changed_tenants
from dashboard.billing.plans.plans import store_price
from dashboard.models import CatalogPrice, Tenant, WebhookMessage
from tests.factories import NOON, make_period, make_tenant, record


def sell(session: Session, plan: str, included: int) -> None:
    """A metered price with units included, as the catalogue has it."""
    store_price(
        session,
        CatalogPrice(
            price_id=f"price_{plan}_{included}",
            product_id="prod",
            plan=plan,
            interval="monthly",
            usage_type="SMS_SENT",
            currency="usd",
            unit_amount=None,
            tiers=[
                {"up_to": included, "unit_amount_decimal": "0"},
                {"up_to": None, "unit_amount_decimal": "2.4"},
            ],
            active=True,
        ),
    )


@pytest.fixture
def tenant(session: Session) -> Tenant:
    sell(session, "free", 20)
    sell(session, "starter", 100)
    tenant = make_tenant(session)
    make_period(session, tenant)
    return tenant


def told(session: Session, tenant: Tenant, now: datetime = NOON) -> list[tuple[int, int]]:
    """(percent, used) of what a look announces."""
    before = len(messages(session, tenant))
    announce_thresholds(session, tenant.id, now)
    return [(each["percent"], each["used"]) for each in messages(session, tenant)[before:]]


def messages(session: Session, tenant: Tenant) -> list[dict[str, Any]]:
    bodies = session.scalars(
        select(WebhookMessage.body).where(WebhookMessage.tenant_id == tenant.id).order_by(WebhookMessage.id)
    )
    return [json.loads(body)["data"] for body in bodies]


def test_each_threshold_is_told_once_in_a_period(session: Session, tenant: Tenant) -> None:
    record(session, tenant, quantity=79)
    assert told(session, tenant) == []
    record(session, tenant, quantity=1)
    assert told(session, tenant) == [(80, 80)]
    record(session, tenant, quantity=15)
    assert told(session, tenant) == []
    record(session, tenant, quantity=5)
    assert told(session, tenant) == [(100, 100)]
    record(session, tenant, quantity=500)
    assert told(session, tenant) == []


def test_a_leap_over_both_tells_both(session: Session, tenant: Tenant) -> None:
    record(session, tenant, quantity=1_000)
    assert told(session, tenant) == [(80, 1_000), (100, 1_000)]
    assert messages(session, tenant)[0]["included"] == 100


def test_a_new_period_and_a_larger_amount_begin_again(session: Session, tenant: Tenant) -> None:
    record(session, tenant, quantity=100)
    assert len(told(session, tenant)) == 2
    sell(session, "starter", 120)
    record(session, tenant, quantity=1)
    assert told(session, tenant) == [(80, 101)]
    later = NOON + timedelta(days=25)
    make_period(session, tenant, NOON + timedelta(days=20), NOON + timedelta(days=50))
    record(session, tenant, quantity=96, now=later)
    assert told(session, tenant, later) == [(80, 96)]


def test_usage_in_the_last_minute_of_a_period_is_told_after_its_end(session: Session, tenant: Tenant) -> None:
    end = NOON + timedelta(days=20)
    told(session, tenant, end - timedelta(seconds=40))
    record(session, tenant, quantity=90, now=end - timedelta(seconds=5))
    assert told(session, tenant, end + timedelta(seconds=20)) == [(80, 90)]


def test_a_tenant_without_a_subscription_is_held_against_free(session: Session, tenant: Tenant) -> None:
    other = make_tenant(session)
    record(session, other, quantity=16)
    assert told(session, other) == [(80, 16)]
    assert messages(session, other)[0]["plan"] == "free"


def test_only_tenants_with_new_usage_are_looked_at(session: Session, tenant: Tenant) -> None:
    quiet = make_tenant(session)
    assert tenant.id not in list_changed_tenants(session)
    record(session, tenant, quantity=1)
    assert list_changed_tenants(session) == [tenant.id]
    announce_thresholds(session, tenant.id, NOON + timedelta(minutes=1))
    # It may still have a transaction under way that began before: looked at again for a while.
    assert list_changed_tenants(session) == [tenant.id]
    announce_thresholds(session, tenant.id, NOON + OVERLAP + timedelta(seconds=1))
    assert list_changed_tenants(session) == []
    record(session, quiet, quantity=1)
    assert list_changed_tenants(session) == [quiet.id]
