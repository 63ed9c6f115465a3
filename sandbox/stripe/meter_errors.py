"""Meter events that were taken and then found wrong: told by thin events, whose data is fetched."""

from __future__ import annotations

from datetime import UTC, datetime

from sandbox.store import Thing, new_id
from sandbox.world import World

TRIGGERED = "v1.billing.meter.error_report_triggered"
NO_METER = "v1.billing.meter.no_meter_found"


def iso(seconds: float) -> str:
    """Version 2 writes times as text."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def report(world: World, event_name: str, code: str, message: str, identifier: str) -> None:
    """Tell of one meter event that does not count. Stripe gathers those of some seconds; here each is alone."""
    now = world.clock.seconds()
    meters = world.store.by("billing.meter", "event_name", event_name)
    kind = TRIGGERED if meters else NO_METER
    sample = {"error_message": message, "request": {"identifier": identifier}}
    event: Thing = {
        "id": new_id("evt"),
        "object": "v2.core.event",
        "context": None,
        "created": iso(now),
        "data": {
            "developer_message_summary": f"There is 1 invalid event: {message}",
            "reason": {
                "error_count": 1,
                "error_types": [{"code": code, "error_count": 1, "sample_errors": [sample]}],
            },
            "validation_end": iso(now + 1),
            "validation_start": iso(now),
        },
        "livemode": False,
        "reason": None,
        "snapshot_event": None,
        "type": kind,
    }
    if meters:
        meter = meters[-1]["id"]
        event["related_object"] = {"id": meter, "type": "billing.meter", "url": f"/v1/billing/meters/{meter}"}
    world.store.put("thin_event", event)
    for destination in world.store.all("v2.core.event_destination"):
        if destination["status"] == "enabled" and kind in destination["enabled_events"]:
            world.deliveries.plan(event, destination["id"])
