"""Meter events as they come: checked at once or afterwards, and taken back."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.alerts import count_use
from sandbox.stripe.meter_errors import report
from sandbox.stripe.meter_usage import owner_of
from sandbox.stripe.routes import route
from sandbox.world import World

OLDEST = 35 * 86_400
AHEAD = 300
KEPT = 86_400


class Refused(Exception):
    """Why a meter event cannot be counted: Stripe's code, the parameter it is about, and words."""

    def __init__(self, code: str, param: str, message: str) -> None:
        super().__init__(message)
        self.code, self.param, self.message = code, param, message


@route("POST", "/v1/billing/meter_events")
def create(world: World, params: Params) -> Thing:
    """Take one meter event; an identifier that was seen within a day is refused."""
    name, payload = params.need("event_name"), params.need("payload")
    identifier = params.take("identifier") or new_id("mevt")
    now = world.clock.seconds()
    timestamp = params.integer("timestamp", now) or now
    if len(identifier) > 100:
        raise StripeFault("identifier: at most 100 characters.", param="identifier")
    seen = world.store.get("meter_event", identifier)
    if seen:
        raise StripeFault(f"An event already exists with identifier {identifier}.", param="identifier")
    try:
        count(world, name, payload, timestamp, identifier)
    except Refused as refusal:
        if not world.setting("asynchronous_meter_events"):
            raise StripeFault(refusal.message, param=refusal.param) from None
        report(world, name, refusal.code, refusal.message, identifier)
    return {
        "object": "billing.meter_event",
        "created": now,
        "event_name": name,
        "identifier": identifier,
        "livemode": False,
        "payload": payload,
        "timestamp": timestamp,
    }


def count(world: World, name: str, payload: Any, timestamp: int, identifier: str) -> None:
    """Keep a meter event.

    Raises `Refused`.
    """
    meter = _meter_of(world, name)
    customer, value = _read_payload(meter, payload)
    now = world.clock.seconds()
    if timestamp < now - OLDEST:
        raise Refused("timestamp_too_far_in_past", "timestamp", "The timestamp is more than 35 days in the past.")
    if timestamp > now + AHEAD:
        raise Refused("timestamp_in_future", "timestamp", "The timestamp is more than 5 minutes in the future.")
    if world.setting("asynchronous_meter_events"):
        known = world.store.get("customer", customer)
        if known is None or known.get("deleted"):
            raise Refused("meter_event_customer_not_found", "payload", f"No such customer: '{customer}'")
    kept = {"owner": owner_of(name, customer), "value": value, "timestamp": timestamp, "created": now}
    world.store.put("meter_event", {**kept, "order": world.store.next_position}, identifier)
    count_use(world, meter, customer, value)


def _meter_of(world: World, event_name: str) -> Thing:
    meters = world.store.by("billing.meter", "event_name", event_name)
    active = next((meter for meter in meters if meter["status"] == "active"), None)
    if active:
        return active
    code = "archived_meter" if meters else "no_meter"
    raise Refused(code, "event_name", f"No active meter found for event name {event_name}.")


def _read_payload(meter: Thing, payload: Any) -> tuple[str, int]:
    customer = payload.get(meter["customer_mapping"]["event_payload_key"])
    if not customer:
        raise Refused("meter_event_no_customer_defined", "payload", "The payload names no customer.")
    raw = payload.get(meter["value_settings"]["event_payload_key"], "1")
    digits = raw.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise Refused("meter_event_invalid_value", "payload", "The value must be a whole number.")
    if len(digits) > 15:
        raise Refused("meter_event_value_too_many_digits", "payload", "The value must have at most 15 digits.")
    return customer, int(raw)


@route("POST", "/v1/billing/meter_event_adjustments")
def adjust(world: World, params: Params) -> Thing:
    """Cancel an event that came within the last 24 hours; finalized invoices stay as they are."""
    name, wanted = params.need("event_name"), params.take("cancel") or {}
    params.choice("type", ("cancel",))
    identifier = wanted.get("identifier", "")
    event = world.store.get("meter_event", identifier)
    if event is None or not event["owner"].startswith(f"{name} "):
        raise StripeFault(f"No such meter event: '{identifier}'", param="cancel[identifier]", code="resource_missing")
    if world.clock.seconds() - event["created"] > KEPT:
        raise StripeFault("The event was received more than 24 hours ago.", param="cancel[identifier]")
    # The identifier stays taken: only the event no longer counts for anyone.
    world.store.put("meter_event", {**event, "owner": ""}, identifier)
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": name,
        "livemode": False,
        "status": "complete",
        "type": "cancel",
    }
