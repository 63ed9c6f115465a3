"""Caps and budgets: an action that would pass one is stopped, one that failed gives its place back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.billing.errors import IdempotencyConflict, InvalidInput
from dashboard.billing.limits.limits import set_budget, set_cap
from dashboard.billing.limits.quotas import CapReached, release, reserve, settle
from dashboard.models import Tenant, UsageReservation
from tests.factories import NOON, make_period, make_tenant, record


def make_capped(session: Session, quantity: int = 10, usage_type: str = "SMS_SENT") -> Tenant:
    tenant = make_tenant(session)
    make_period(session, tenant)
    set_cap(session, tenant.id, usage_type, quantity, set_by="ada", now=NOON)
    return tenant


def reservations(session: Session, tenant: Tenant) -> int:
    query = select(func.count()).select_from(UsageReservation).where(UsageReservation.tenant_id == tenant.id)
    return session.scalar(query) or 0


def test_an_action_within_the_cap_is_let_through_and_one_beyond_is_not(session: Session) -> None:
    tenant = make_capped(session)
    record(session, tenant, quantity=6)
    reserve(session, tenant.id, "SMS_SENT", 4, key="a", now=NOON)
    with pytest.raises(CapReached) as stop:
        reserve(session, tenant.id, "SMS_SENT", 1, key="b", now=NOON)
    assert (stop.value.reason, stop.value.limit, stop.value.used, stop.value.reserved) == ("cap", 10, 6, 4)


def test_recording_under_the_same_key_settles_the_reservation(session: Session) -> None:
    tenant = make_capped(session)
    reserve(session, tenant.id, "SMS_SENT", 10, key="a", now=NOON)
    record(session, tenant, quantity=7, idempotency_key="a")
    assert reservations(session, tenant) == 0
    reserve(session, tenant.id, "SMS_SENT", 3, key="b", now=NOON)


def test_a_failed_action_gives_its_place_back_once(session: Session) -> None:
    tenant = make_capped(session)
    reserve(session, tenant.id, "SMS_SENT", 10, key="a", now=NOON)
    assert release(session, tenant.id, "a")
    assert not release(session, tenant.id, "a")
    reserve(session, tenant.id, "SMS_SENT", 10, key="b", now=NOON)


def test_the_same_key_reserves_once_even_after_it_was_recorded(session: Session) -> None:
    tenant = make_capped(session)
    for _ in range(3):
        reserve(session, tenant.id, "SMS_SENT", 10, key="a", now=NOON)
    record(session, tenant, quantity=10, idempotency_key="a")
    reserve(session, tenant.id, "SMS_SENT", 10, key="a", now=NOON)
    assert reservations(session, tenant) == 0


def test_a_forgotten_reservation_holds_nothing_after_its_time(session: Session) -> None:
    tenant = make_capped(session)
    reserve(session, tenant.id, "SMS_SENT", 10, key="a", now=NOON, ttl=timedelta(minutes=5))
    with pytest.raises(CapReached):
        reserve(session, tenant.id, "SMS_SENT", 1, key="b", now=NOON + timedelta(minutes=4))
    reserve(session, tenant.id, "SMS_SENT", 10, key="c", now=NOON + timedelta(minutes=5))
    assert reservations(session, tenant) == 1


def test_usage_of_another_period_and_another_type_does_not_count(session: Session) -> None:
    tenant = make_capped(session)
    record(session, tenant, quantity=9, occurred_at=(NOON - timedelta(days=11)).isoformat())
    record(session, tenant, quantity=9, usage_type="SMS_RECEIVED")
    reserve(session, tenant.id, "SMS_SENT", 10, key="a", now=NOON)


def test_without_a_cap_nothing_is_written(session: Session) -> None:
    tenant = make_capped(session)
    reserve(session, tenant.id, "AI_MESSAGE_GENERATED", 10**6, key="a", now=NOON)
    assert reservations(session, tenant) == 0


def test_free_stops_at_what_it_includes(session: Session) -> None:
    tenant = make_tenant(session)
    reserve(session, tenant.id, "SMS_SENT", 20, key="a", now=NOON)
    with pytest.raises(CapReached) as stop:
        reserve(session, tenant.id, "SMS_SENT", 1, key="b", now=NOON)
    assert (stop.value.reason, stop.value.limit) == ("plan", 20)
    reserve(session, tenant.id, "CONTACT_CREATED", 1_000, key="c", now=NOON)


def test_a_budget_stops_what_would_cost_more_and_nothing_that_is_included(session: Session) -> None:
    tenant = make_tenant(session)
    make_period(session, tenant, plan="starter")
    set_budget(session, tenant.id, 240, "usd", set_by="ada", now=NOON)
    # Starter: 100 texts included, 2.4 cents each beyond. 200 texts cost 240 cents.
    reserve(session, tenant.id, "SMS_SENT", 200, key="a", now=NOON)
    with pytest.raises(CapReached) as stop:
        reserve(session, tenant.id, "SMS_SENT", 1, key="b", now=NOON)
    assert (stop.value.reason, stop.value.limit, stop.value.reserved) == ("budget", 240, 240)
    reserve(session, tenant.id, "AI_MESSAGE_GENERATED", 500, key="c", now=NOON)
    settle(session, tenant.id, "a")
    reserve(session, tenant.id, "SMS_SENT", 1, key="b", now=NOON)


def test_an_action_that_costs_nothing_passes_where_usage_has_gone_beyond_the_budget(session: Session) -> None:
    tenant = make_tenant(session)
    make_period(session, tenant, plan="starter")
    set_budget(session, tenant.id, 240, "usd", set_by="ada", now=NOON)
    record(session, tenant, quantity=300)  # a fact is recorded, whatever it costs
    reserve(session, tenant.id, "AI_MESSAGE_GENERATED", 500, key="a", now=NOON)
    with pytest.raises(CapReached):
        reserve(session, tenant.id, "AI_MESSAGE_GENERATED", 1, key="b", now=NOON)


@pytest.mark.parametrize("usage_type", ["FAX_SENT", "STORAGE_USED_MB"])
def test_what_cannot_be_reserved_is_told(session: Session, usage_type: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        reserve(session, make_tenant(session).id, usage_type, 1, key="a", now=NOON)
    assert refusal.value.field == "usage_type"


def test_a_cap_can_be_changed_and_lifted(session: Session) -> None:
    tenant = make_capped(session, 1)
    set_cap(session, tenant.id, "SMS_SENT", 2, set_by="ada", now=NOON)
    reserve(session, tenant.id, "SMS_SENT", 2, key="a", now=NOON)
    set_cap(session, tenant.id, "SMS_SENT", None, set_by="ada", now=NOON)
    reserve(session, tenant.id, "SMS_SENT", 1_000, key="b", now=NOON)


def test_a_key_that_holds_a_place_holds_no_other(session: Session) -> None:
    tenant = make_capped(session)
    reserve(session, tenant.id, "SMS_SENT", 1, key="a", now=NOON)
    for usage_type, quantity in (("SMS_SENT", 10), ("CALL_MADE", 1)):
        set_cap(session, tenant.id, usage_type, 10, set_by="ada", now=NOON)
        with pytest.raises(IdempotencyConflict):
            reserve(session, tenant.id, usage_type, quantity, key="a", now=NOON)
    assert reservations(session, tenant) == 1


def test_a_key_whose_place_is_forgotten_can_hold_another(session: Session) -> None:
    tenant = make_capped(session)
    reserve(session, tenant.id, "SMS_SENT", 1, key="a", now=NOON)
    reserve(session, tenant.id, "SMS_SENT", 10, key="a", now=NOON + timedelta(hours=1))
    assert reservations(session, tenant) == 1
