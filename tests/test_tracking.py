"""Usage of services in the same process: recorded with the action, once, and not at all when the action failed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.billing.errors import IdempotencyConflict, InvalidInput, NotFound
from dashboard.billing.limits import set_cap
from dashboard.billing.quotas import CapReached, reserve
from dashboard.database import db
from dashboard.models import Tenant, UsageEvent, UsageReservation
from dashboard.tracking import Call, track_usage, tracks_usage
from dashboard.tracking.block import time_ordered_key
from tests.factories import NOON, make_period, make_tenant

AI = "CONTENT_AI_GENERATED"


class Outage(Exception):
    """What an action may end with."""


def usage_of(session: Session, tenant_id: int) -> list[UsageEvent]:
    return list(session.scalars(select(UsageEvent).where(UsageEvent.tenant_id == tenant_id).order_by(UsageEvent.id)))


def reservations(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(UsageReservation)) or 0


def make_capped(session: Session, quantity: int) -> Tenant:
    tenant = make_tenant(session)
    make_period(session, tenant)
    set_cap(session, tenant.id, AI, quantity, set_by="ada", now=NOON)
    return tenant


def tracked(session: Session, tenant: Tenant, **more: Any) -> Any:
    """A block on the session of a test, at noon."""
    return track_usage(AI, tenant_id=tenant.id, session=session, clock=lambda: NOON, **more)


@pytest.fixture
def tenant_id(app: Flask) -> int:
    with wiring.unit_of_work() as session:
        return make_tenant(session).id


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


def test_a_call_is_recorded_with_values_and_functions_of_arguments_and_result(tenant_id: int) -> None:
    @tracks_usage(
        AI,
        quantity=lambda call: len(call.result),
        key=lambda call: f"article:{call['topic']}",
        user=lambda call: call["author"],
        resource=lambda call: ("article", call["topic"]),
        metadata=lambda call: {"first": call.result[0]},
        source="writer",
    )
    def write(tenant_id: int, topic: str, *, author: str = "ada") -> list[str]:
        """Write about a topic."""
        return [topic, topic]

    assert write(tenant_id, "bees") == ["bees", "bees"]
    (event,) = usage_of(db.session(), tenant_id)
    assert (event.quantity, event.idempotency_key, event.source) == (2, "article:bees", "writer")
    assert (event.user_id, event.resource_type, event.resource_id) == ("ada", "article", "bees")
    assert event.details == {"first": "bees"}
    assert (write.__name__, write.__doc__) == ("write", "Write about a topic.")


def test_a_call_with_plain_values_is_one_unit_with_a_key_of_its_own(tenant_id: int) -> None:
    @tracks_usage(AI, user="ada", metadata={"model": "small"})
    def write(tenant_id: int) -> None: ...

    write(tenant_id)
    write(tenant_id=tenant_id)
    events = usage_of(db.session(), tenant_id)
    assert [(event.quantity, event.user_id, event.details["model"]) for event in events] == [(1, "ada", "small")] * 2


def test_a_call_that_raised_is_not_recorded(tenant_id: int) -> None:
    @tracks_usage(AI)
    def write(tenant_id: int) -> None:
        raise Outage

    with pytest.raises(Outage):
        write(tenant_id)
    assert usage_of(db.session(), tenant_id) == []


def test_the_tenant_may_be_given_or_found_in_the_arguments(tenant_id: int) -> None:
    @tracks_usage(AI, tenant_id=lambda call: call["tenant"].id)
    def write(tenant: Tenant) -> None: ...

    @tracks_usage(AI, tenant_id=tenant_id)
    def tidy() -> None: ...

    write(db.session.get_one(Tenant, tenant_id))
    tidy()
    assert len(usage_of(db.session(), tenant_id)) == 2


def test_a_method_is_recorded_too(tenant_id: int) -> None:
    class Writer:
        @tracks_usage(AI, user=lambda call: call["self"].name)
        def write(self, tenant_id: int) -> None: ...

        name = "ada"

    Writer().write(tenant_id)
    assert [event.user_id for event in usage_of(db.session(), tenant_id)] == ["ada"]


def test_a_session_among_the_arguments_is_the_one_that_records(tenant_id: int) -> None:
    @tracks_usage(AI)
    def write(session: Session, tenant_id: int) -> None: ...

    with Session(db.engine) as own:
        write(own, tenant_id)
        assert len(usage_of(own, tenant_id)) == 1
        assert usage_of(db.session(), tenant_id) == []
        own.commit()
    db.session.rollback()
    assert len(usage_of(db.session(), tenant_id)) == 1


def test_a_reserving_call_stops_at_the_cap_and_settles(tenant_id: int) -> None:
    calls: list[int] = []

    @tracks_usage(AI, quantity=lambda call: call["articles"], reserve=True)
    def write(tenant_id: int, articles: int) -> None:
        calls.append(articles)

    set_cap(db.session(), tenant_id, AI, 5, set_by="ada", now=wiring.now())
    write(tenant_id, 3)
    with pytest.raises(CapReached):
        write(tenant_id, 3)
    write(tenant_id, 2)
    assert calls == [3, 2]
    assert reservations(db.session()) == 0


def test_a_reserving_call_cannot_need_its_result_first(tenant_id: int) -> None:
    @tracks_usage(AI, quantity=lambda call: call.result, reserve=True)
    def write(tenant_id: int) -> int:
        pytest.fail("the action must not happen")

    with pytest.raises(LookupError, match="not known before the call"):
        write(tenant_id)


async def waits(tenant_id: int) -> None: ...


def streams(tenant_id: int) -> Iterator[int]:
    yield tenant_id


async def streams_and_waits(tenant_id: int) -> AsyncIterator[int]:
    yield tenant_id


@pytest.mark.parametrize("function", [waits, streams, streams_and_waits, partial(waits)])
def test_a_function_that_works_after_it_returned_is_refused_where_it_is_decorated(function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="after it returned"):
        tracks_usage(AI)(function)


@pytest.mark.parametrize("function", [waits, streams, streams_and_waits])
def test_a_call_that_returned_unfinished_work_is_refused(tenant_id: int, function: Callable[..., Any]) -> None:
    @tracks_usage(AI)
    def hidden(tenant_id: int) -> object:
        return function(tenant_id)

    with pytest.raises(TypeError, match="still to be done"):
        hidden(tenant_id)
    assert usage_of(db.session(), tenant_id) == []


def test_a_function_without_a_tenant_or_of_no_type_is_refused_where_it_is_decorated() -> None:
    def act() -> None: ...

    with pytest.raises(TypeError, match="tenant_id"):
        tracks_usage(AI)(act)
    with pytest.raises(InvalidInput, match="usage_type"):
        tracks_usage("FAX")


def test_wrong_arguments_are_told_as_without_the_decorator(tenant_id: int) -> None:
    @tracks_usage(AI)
    def write(tenant_id: int) -> None: ...

    with pytest.raises(TypeError, match="missing a required argument: 'tenant_id'"):
        write()  # type: ignore[call-arg]


def test_an_argument_that_is_not_there_is_told_by_name() -> None:
    with pytest.raises(KeyError, match="author"):
        Call({"topic": "bees"})["author"]
