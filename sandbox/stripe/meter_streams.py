"""Version 2: the meter event stream with its sessions, and thin events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe import meter_events
from sandbox.stripe.meter_errors import iso, report
from sandbox.stripe.routes import route
from sandbox.world import World

SESSION_SECONDS = 900
MOST = 100


@route("POST", "/v2/billing/meter_event_session")
def create_session(world: World, params: Params) -> Thing:
    """A token for the stream, good for 15 minutes."""
    now = world.clock.seconds()
    token = new_id("mes_token", 40)
    world.store.put("meter_session", {"id": token, "until": now + SESSION_SECONDS})
    return {
        "id": new_id("mes"),
        "object": "v2.billing.meter_event_session",
        "authentication_token": token,
        "created": iso(now),
        "expires_at": iso(now + SESSION_SECONDS),
        "livemode": False,
    }


def check_session(world: World, token: str) -> None:
    """Refuse a token that is unknown or over."""
    session = world.store.get("meter_session", token)
    if session is None:
        raise StripeFault("The stream takes the token of a meter event session.", status=401)
    if session["until"] <= world.clock.seconds():
        raise StripeFault(
            "The session has expired: begin a new one.",
            status=401,
            kind="temporary_session_expired",
            code="billing_meter_event_session_expired",
        )


@route("POST", "/v2/billing/meter_event_stream")
def send(world: World, params: Params) -> Thing:
    """Take up to 100 meter events; what is wrong with one is told by a thin event."""
    events = params.need("events")
    if not isinstance(events, list) or not 1 <= len(events) <= MOST:
        raise StripeFault(f"events: must be 1 to {MOST} meter events.", param="events")
    for n, event in enumerate(events):
        _take(world, event, n)
    return {}


def _take(world: World, event: Any, number: int) -> None:
    if not isinstance(event, dict) or not event.get("event_name") or not isinstance(event.get("payload"), dict):
        raise StripeFault("An event needs event_name and payload.", param=f"events[{number}]")
    identifier = event.get("identifier") or new_id("mevt")
    if world.store.get("meter_event", identifier):
        return
    now = world.clock.seconds()
    timestamp = int(datetime.fromisoformat(event["timestamp"]).timestamp()) if event.get("timestamp") else now
    try:
        meter_events.count(world, event["event_name"], event["payload"], timestamp, identifier)
    except meter_events.Refused as refusal:
        report(world, event["event_name"], refusal.code, refusal.message, identifier)


@route("GET", "/v2/core/events/{event}")
def retrieve_event(world: World, params: Params, event: str) -> Thing:
    """A thin event with its data."""
    return world.need("thin_event", event)


@route("GET", "/v2/core/events")
def index_events(world: World, params: Params) -> Thing:
    """Thin events, newest first."""
    types, about = params.take("types"), params.take("object_id")
    limit = params.integer("limit", 20) or 20
    found = [
        each
        for each in reversed(world.store.all("thin_event"))
        if (not types or each["type"] in types) and (not about or each.get("related_object", {}).get("id") == about)
    ]
    return {"data": found[:limit], "next_page_url": None, "previous_page_url": None}
