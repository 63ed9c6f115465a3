"""A tracked function: each call that returns is recorded, with values from its arguments and its result."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.billing.errors import InvalidInput
from dashboard.billing.limits.limits import set_cap
from dashboard.billing.limits.quotas import CapReached
from dashboard.database import db
from dashboard.models import Tenant
from dashboard.tracking import Call, tracks_usage
from tests.tracking.actions import AI, Outage, reservations, usage_of


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
