"""Meters, their events and summaries."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.routes import list_things, page_of, route
from sandbox.world import World

OLDEST = 35 * 86_400
AHEAD = 300


@route("POST", "/v1/billing/meters")
def create(world: World, params: Params) -> Thing:
    """A new meter."""
    name = params.need("event_name")
    if any(meter["event_name"] == name and meter["status"] == "active" for meter in world.store.all("billing.meter")):
        raise StripeFault(f"An active meter with event name {name} exists already.", param="event_name")
    formula = params.need("default_aggregation").get("formula")
    if formula not in {"sum", "count", "last"}:
        raise StripeFault("Invalid default_aggregation[formula]", param="default_aggregation[formula]")
    mapping = params.take("customer_mapping") or {"type": "by_id", "event_payload_key": "stripe_customer_id"}
    now = world.clock.seconds()
    return world.create(
        {
            "id": new_id("mtr"),
            "object": "billing.meter",
            "created": now,
            "customer_mapping": mapping,
            "default_aggregation": {"formula": formula},
            "display_name": params.need("display_name"),
            "event_name": name,
            "event_time_window": params.choice("event_time_window", ("day", "hour")),
            "livemode": False,
            "status": "active",
            "status_transitions": {"deactivated_at": None},
            "updated": now,
            "value_settings": params.take("value_settings") or {"event_payload_key": "value"},
        },
        "billing.meter.created",
    )


@route("GET", "/v1/billing/meters/{meter}")
def retrieve(world: World, params: Params, meter: str) -> Thing:
    """A meter."""
    return world.need("billing.meter", meter)


@route("GET", "/v1/billing/meters")
def index(world: World, params: Params) -> Thing:
    """Meters, by status."""
    return list_things(world, params, "billing.meter", "/v1/billing/meters", filters=("status",))


@route("POST", "/v1/billing/meters/{meter}/deactivate")
def deactivate(world: World, params: Params, meter: str) -> Thing:
    """Stop taking events."""
    thing = world.need("billing.meter", meter)
    now = world.clock.seconds()
    changes = {"status": "inactive", "status_transitions": {"deactivated_at": now}, "updated": now}
    return world.change(thing, "billing.meter.deactivated", **changes)


@route("POST", "/v1/billing/meter_events")
def create_event(world: World, params: Params) -> Thing:
    """Take one meter event; an identifier that was seen before is refused."""
    meter = _meter_of(world, params.need("event_name"))
    payload = params.need("payload")
    customer, value = _read_payload(meter, payload)
    now = world.clock.seconds()
    timestamp = params.integer("timestamp", now) or now
    if timestamp < now - OLDEST:
        raise StripeFault("The timestamp is more than 35 days in the past.", param="timestamp")
    if timestamp > now + AHEAD:
        raise StripeFault("The timestamp is more than 5 minutes in the future.", param="timestamp")
    identifier = params.take("identifier") or new_id("mevt")
    if len(identifier) > 100:
        raise StripeFault("identifier: at most 100 characters.", param="identifier")
    if world.store.get("meter_event", identifier):
        raise StripeFault(f"An event already exists with identifier {identifier}.", param="identifier")
    kept = {"event_name": meter["event_name"], "customer": customer, "value": str(value), "timestamp": timestamp}
    world.store.put("meter_event", {**kept, "created": now}, identifier)
    return {
        "object": "billing.meter_event",
        "created": now,
        "event_name": meter["event_name"],
        "identifier": identifier,
        "livemode": False,
        "payload": payload,
        "timestamp": timestamp,
    }


def _meter_of(world: World, event_name: str) -> Thing:
    for meter in world.store.all("billing.meter"):
        if meter["event_name"] == event_name and meter["status"] == "active":
            return meter
    raise StripeFault(f"No active meter found for event name {event_name}.", param="event_name")


def _read_payload(meter: Thing, payload: Any) -> tuple[str, int]:
    customer = payload.get(meter["customer_mapping"]["event_payload_key"])
    if not customer:
        raise StripeFault("The payload names no customer.", param="payload")
    raw = payload.get(meter["value_settings"]["event_payload_key"], "1")
    digits = raw.removeprefix("-")
    if not digits.isdigit() or len(digits) > 15:
        raise StripeFault("The value must be a whole number of at most 15 digits.", param="payload")
    return customer, int(raw)


def events_between(world: World, meter: Thing, customer: str, start: int, stop: int) -> list[tuple[int, int]]:
    """(timestamp, value) of a customer's events in `[start, stop)`, in order of time."""
    found = [
        (event["timestamp"], int(event["value"]))
        for event in world.store.all("meter_event")
        if event["customer"] == customer
        and event["event_name"] == meter["event_name"]
        and start <= event["timestamp"] < stop
    ]
    return sorted(found, key=lambda pair: pair[0])


def aggregate(meter: Thing, events: list[tuple[int, int]]) -> int:
    """What a meter makes of its events; a negative total bills as 0."""
    formula = meter["default_aggregation"]["formula"]
    if formula == "count":
        return len(events)
    if formula == "last":
        return max(events[-1][1], 0) if events else 0
    return max(sum(value for _, value in events), 0)


@route("GET", "/v1/billing/meters/{meter}/event_summaries")
def index_summaries(world: World, params: Params, meter: str) -> Thing:
    """Totals of a customer in a span, whole or by hour or day."""
    thing = world.need("billing.meter", meter)
    customer = params.need("customer")
    start, stop = int(params.need("start_time")), int(params.need("end_time"))
    for name, moment in (("start_time", start), ("end_time", stop)):
        if moment % 60:
            raise StripeFault(f"{name} must be aligned with minute boundaries.", param=name)
    window = params.choice("value_grouping_window", ("hour", "day"))
    size = {"hour": 3_600, "day": 86_400}.get(window or "", 0)
    groups: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for event in events_between(world, thing, customer, start, stop):
        groups[event[0] // size * size if size else start].append(event)
    rows = [
        {
            "id": f"mtrusg_{meter}_{begin}",
            "object": "billing.meter_event_summary",
            "aggregated_value": float(aggregate(thing, events)),
            "end_time": begin + size if size else stop,
            "livemode": False,
            "meter": meter,
            "start_time": begin,
        }
        for begin, events in sorted(groups.items(), reverse=True)
    ]
    return page_of(rows, params, f"/v1/billing/meters/{meter}/event_summaries")


def tiered_amounts(tiers: list[Thing], quantity: int) -> list[tuple[int, int, Decimal]]:
    """Graduated tiers: (tier number, units in it, their price each), for each tier that is reached."""
    rows, below = [], 0
    for number, tier in enumerate(tiers, 1):
        top = quantity if tier["up_to"] is None else min(quantity, tier["up_to"])
        if number == 1 or top > below:
            rows.append((number, max(top - below, 0), Decimal(tier["unit_amount_decimal"])))
        below = max(below, top)
    return rows
