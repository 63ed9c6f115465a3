"""Meters and the summaries of their events."""

from __future__ import annotations

from collections import defaultdict

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.meter_usage import Use, aggregate, uses_between
from sandbox.stripe.routes import list_things, page_of, route
from sandbox.world import World


@route("POST", "/v1/billing/meters")
def create(world: World, params: Params) -> Thing:
    """A new meter."""
    name = params.need("event_name")
    if any(meter["status"] == "active" for meter in world.store.by("billing.meter", "event_name", name)):
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


@route("POST", "/v1/billing/meters/{meter}/reactivate")
def reactivate(world: World, params: Params, meter: str) -> Thing:
    """Take events again."""
    thing = world.need("billing.meter", meter)
    changes = {"status": "active", "status_transitions": {"deactivated_at": None}, "updated": world.clock.seconds()}
    return world.change(thing, "billing.meter.reactivated", **changes)


@route("POST", "/v1/billing/meters/{meter}")
def update(world: World, params: Params, meter: str) -> Thing:
    """Only its display name can be changed."""
    thing = world.need("billing.meter", meter)
    name = params.take("display_name", thing["display_name"])
    return world.change(thing, "billing.meter.updated", display_name=name, updated=world.clock.seconds())


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
    for name, moment in (("start_time", start), ("end_time", stop)):
        if size and moment % size:
            raise StripeFault(f"{name} must be aligned with {window} boundaries.", param=name)
    groups: dict[int, list[Use]] = defaultdict(list)
    for use in uses_between(world, thing, customer, start, stop):
        groups[use.timestamp // size * size if size else start].append(use)
    rows = [
        {
            "id": f"mtrusg_{meter}_{begin}",
            "object": "billing.meter_event_summary",
            "aggregated_value": float(aggregate(thing, uses)),
            "end_time": begin + size if size else stop,
            "livemode": False,
            "meter": meter,
            "start_time": begin,
        }
        for begin, uses in sorted(groups.items(), reverse=True)
    ]
    return page_of(rows, params, f"/v1/billing/meters/{meter}/event_summaries")
