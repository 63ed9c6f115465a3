"""What a meter makes of a customer's events."""

from __future__ import annotations

from typing import NamedTuple

from sandbox.store import Thing
from sandbox.world import World

WINDOWS = {"hour": 3_600, "day": 86_400}


class Use(NamedTuple):
    """One meter event: when it happened (Unix seconds), its place in the order of arrival, its value."""

    timestamp: int
    order: int
    value: int


def owner_of(event_name: str, customer: str) -> str:
    """What a customer's events of a meter are looked up by."""
    return f"{event_name} {customer}"


def uses_between(world: World, meter: Thing, customer: str, start: int, stop: int) -> list[Use]:
    """A customer's events in `[start, stop)`, in order of time. With a time window, only the last of each window."""
    owner = owner_of(meter["event_name"], customer)
    found = sorted(
        Use(event["timestamp"], event["order"], event["value"])
        for event in world.store.each("meter_event", "owner", owner)
        if start <= event["timestamp"] < stop
    )
    window = WINDOWS.get(meter["event_time_window"] or "")
    if window is None:
        return found
    return sorted({use.timestamp // window: use for use in found}.values())


def aggregate(meter: Thing, uses: list[Use]) -> int:
    """The sum, the number or the last of these events.

    In doubt: that a summary may be negative. Stripe's pages say only what a negative total of a period bills.
    """
    formula = meter["default_aggregation"]["formula"]
    if formula == "count":
        return len(uses)
    if formula == "last":
        return uses[-1].value if uses else 0
    return sum(use.value for use in uses)


def quantity_between(world: World, meter: Thing, customer: str, start: int, stop: int) -> int:
    """What `[start, stop)` bills; a negative total bills as 0."""
    return max(aggregate(meter, uses_between(world, meter, customer, start, stop)), 0)
