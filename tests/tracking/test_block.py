"""A tracked block: recorded with the action, once, and not at all when the action failed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.billing.errors import IdempotencyConflict, InvalidInput, NotFound
from dashboard.billing.limits.limits import set_cap
from dashboard.billing.limits.quotas import CapReached, reserve
from dashboard.database import db
from dashboard.models import Tenant
from dashboard.tracking import track_usage
from dashboard.tracking.block import time_ordered_key
from tests.factories import NOON, make_period, make_tenant
from tests.tracking.actions import AI, Outage, reservations, usage_of


def make_capped(session: Session, quantity: int) -> Tenant:
    tenant = make_tenant(session)
    make_period(session, tenant)
    set_cap(session, tenant.id, AI, quantity, set_by="ada", now=NOON)
    return tenant


def tracked(session: Session, tenant: Tenant, **more: Any) -> Any:
    """A block on the session of a test, at noon."""
    return track_usage(AI, tenant_id=tenant.id, session=session, clock=lambda: NOON, **more)


def test_a_block_that_ended_is_recorded_with_what_it_said(session: Session) -> None:
    tenant = make_tenant(session)
    with tracked(session, tenant, user=17, metadata={"model": "small"}) as usage:
        assert usage_of(session, tenant.id) == []
        usage.quantity = 3
        usage.metadata["tokens"] = 512
        usage.resource = ("article", 9)
    (event,) = usage_of(session, tenant.id)
    assert (event.usage_type, event.quantity, event.source) == (AI, 3, "application")
    assert (event.user_id, event.resource_type, event.resource_id) == ("17", "article", "9")
    assert event.details == {"model": "small", "tokens": 512}
    assert event.occurred_at == NOON
    assert usage.recorded is not None
    assert (usage.recorded.id, usage.recorded.is_new) == (event.id, True)


@pytest.mark.parametrize("error", [Outage, KeyboardInterrupt])
def test_a_block_that_raised_is_not_recorded_and_its_error_passes(session: Session, error: type[BaseException]) -> None:
    tenant = make_tenant(session)
    with pytest.raises(error), tracked(session, tenant) as usage:
        raise error
    assert usage.recorded is None
    assert usage_of(session, tenant.id) == []


def test_a_block_that_returned_is_recorded(session: Session) -> None:
    tenant = make_tenant(session)

    def act() -> str:
        with tracked(session, tenant):
            return "done"

    assert act() == "done"
    assert len(usage_of(session, tenant.id)) == 1


def test_a_generator_given_up_inside_a_block_is_not_recorded(session: Session) -> None:
    tenant = make_tenant(session)

    def stream() -> Iterator[int]:
        with tracked(session, tenant) as usage:
            for chunk in range(3):
                usage.quantity = chunk
                yield chunk

    given_up = stream()
    assert next(given_up) == 0
    given_up.close()
    assert usage_of(session, tenant.id) == []
    assert list(stream()) == [0, 1, 2]
    assert [event.quantity for event in usage_of(session, tenant.id)] == [2]


def rename(tenant_id: int, *, fails_later: bool) -> None:
    """A transaction with an action, its usage, and something after it."""
    with wiring.unit_of_work() as session:
        with track_usage(AI, tenant_id=tenant_id):
            session.get_one(Tenant, tenant_id).name = "Renamed"
        if fails_later:
            raise Outage


def test_action_and_usage_commit_or_roll_back_together(tenant_id: int) -> None:
    with pytest.raises(Outage):
        rename(tenant_id, fails_later=True)
    assert usage_of(db.session(), tenant_id) == []
    assert db.session.get_one(Tenant, tenant_id).name != "Renamed"
    rename(tenant_id, fails_later=False)
    assert len(usage_of(db.session(), tenant_id)) == 1
    assert db.session.get_one(Tenant, tenant_id).name == "Renamed"


def test_a_made_key_is_a_uuid_of_version_7_that_sorts_by_time() -> None:
    keys = [time_ordered_key(NOON + timedelta(milliseconds=n)) for n in range(200)]
    assert keys == sorted(set(keys))
    assert {(UUID(key).version, UUID(key).variant) for key in keys} == {(7, "specified in RFC 4122")}
    assert UUID(keys[0]).int >> 80 == int(NOON.timestamp() * 1000)
    assert time_ordered_key(NOON) != time_ordered_key(NOON)


def test_two_blocks_without_a_key_count_twice_and_with_one_once(session: Session) -> None:
    tenant = make_tenant(session)
    for key in (None, None, "article:9", "article:9"):
        with tracked(session, tenant, key=key) as usage:
            pass
    assert usage.recorded is not None
    assert not usage.recorded.is_new
    assert len(usage_of(session, tenant.id)) == 3


def test_a_key_can_be_set_once_the_action_has_its_id(session: Session) -> None:
    tenant = make_tenant(session)
    with tracked(session, tenant) as usage:
        usage.key = "article:9"
    assert [event.idempotency_key for event in usage_of(session, tenant.id)] == ["article:9"]


def test_a_key_with_another_body_is_refused(session: Session) -> None:
    tenant = make_tenant(session)
    with tracked(session, tenant, key="article:9"):
        pass
    with pytest.raises(IdempotencyConflict), tracked(session, tenant, key="article:9", quantity=2):
        pass


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"quantity": -1}, "quantity"), ({"user": " "}, "user_id"), ({"key": "k" * 201}, "idempotency_key")],
)
def test_what_is_wrong_from_the_start_stops_before_the_action(
    session: Session, wrong: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refusal, tracked(session, make_tenant(session), **wrong):
        pytest.fail("the action must not happen")
    assert refusal.value.field == field


def test_an_unknown_usage_type_stops_before_the_action(session: Session) -> None:
    tenant = make_tenant(session)
    with pytest.raises(InvalidInput), track_usage("FAX", tenant_id=tenant.id, session=session, clock=lambda: NOON):
        pytest.fail("the action must not happen")


def test_what_the_block_set_wrongly_is_refused_and_nothing_recorded(session: Session) -> None:
    tenant = make_tenant(session)
    with pytest.raises(InvalidInput) as refusal, tracked(session, tenant) as usage:
        usage.quantity = -1
    assert refusal.value.field == "quantity"
    assert usage_of(session, tenant.id) == []


def test_usage_of_no_tenant_is_refused(session: Session) -> None:
    with (
        pytest.raises(NotFound),
        track_usage(AI, tenant_id=2**40, session=session, clock=lambda: NOON),
    ):
        pass


def test_at_the_cap_a_reserving_block_does_not_run(session: Session) -> None:
    tenant = make_capped(session, 2)
    with pytest.raises(CapReached), tracked(session, tenant, quantity=3, reserve=True):
        pytest.fail("the action must not happen")


def test_a_reserving_block_that_ended_settles_what_it_really_used(session: Session) -> None:
    tenant = make_capped(session, 10)
    with tracked(session, tenant, quantity=10, reserve=True) as usage:
        assert reservations(session) == 1
        usage.quantity = 4
    assert reservations(session) == 0
    reserve(session, tenant.id, AI, 6, key="next", now=NOON)


def test_a_reserving_block_that_raised_gives_back(session: Session) -> None:
    tenant = make_capped(session, 10)
    with pytest.raises(Outage), tracked(session, tenant, quantity=10, reserve=True):
        raise Outage
    reserve(session, tenant.id, AI, 10, key="next", now=NOON)


def test_a_reserving_block_repeated_with_its_key_passes_at_the_cap_and_counts_once(session: Session) -> None:
    tenant = make_capped(session, 1)
    for _ in range(2):
        with tracked(session, tenant, key="article:9", reserve=True):
            pass
    assert len(usage_of(session, tenant.id)) == 1
    assert reservations(session) == 0


def test_the_key_of_a_reservation_stays(session: Session) -> None:
    tenant = make_capped(session, 10)
    with pytest.raises(InvalidInput) as refusal, tracked(session, tenant, key="a", reserve=True) as usage:
        usage.key = "b"
    assert refusal.value.field == "idempotency_key"
    assert usage_of(session, tenant.id) == []
    assert reservations(session) == 0


def test_the_error_of_a_failed_transaction_is_not_hidden_by_giving_back(app: Flask) -> None:
    with wiring.unit_of_work() as session:
        tenant_id = make_capped(session, 10).id
    with (
        pytest.raises(ProgrammingError, match="no_such_table"),
        wiring.unit_of_work() as session,
        track_usage(AI, tenant_id=tenant_id, reserve=True, clock=lambda: NOON),
    ):
        session.execute(text("SELECT * FROM no_such_table"))
    assert reservations(db.session()) == 0
