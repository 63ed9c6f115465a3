"""Subscription schedules: phases that follow each other, such as a cheaper plan from the next period on."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe import renewals, subscription_changes
from sandbox.stripe.customers import present
from sandbox.stripe.lifecycle import UPDATED
from sandbox.stripe.periods import next_period_end
from sandbox.stripe.routes import list_things, route
from sandbox.stripe.subscription_changes import Wish
from sandbox.stripe.subscriptions import end_now
from sandbox.world import World

BEHAVIORS = ("always_invoice", "create_prorations", "none")


@route("POST", "/v1/subscription_schedules")
def create(world: World, params: Params) -> Thing:
    """A schedule that takes over a subscription: its first phase is the period it is in."""
    subscription = world.need("subscription", params.need("from_subscription"))
    if subscription["schedule"]:
        raise StripeFault("The subscription has a schedule already.", param="from_subscription")
    if subscription["status"] not in {"active", "trialing", "past_due"}:
        raise StripeFault(f"The subscription is {subscription['status']}.", param="from_subscription")
    items = subscription["items"]["data"]
    start, stop = items[0]["current_period_start"], min(item["current_period_end"] for item in items)
    given = [{"price": item["price"]["id"], "quantity": item.get("quantity")} for item in items]
    schedule = world.create(
        {
            "id": new_id("sub_sched"),
            "object": "subscription_schedule",
            "billing_mode": subscription["billing_mode"],
            "created": world.clock.seconds(),
            "current_phase": {"start_date": start, "end_date": stop},
            "customer": subscription["customer"],
            "default_settings": {
                "billing_cycle_anchor": "automatic",
                "invoice_settings": {"issuer": {"type": "self"}},
                "collection_method": "charge_automatically",
            },
            "end_behavior": "release",
            "livemode": False,
            "metadata": params.metadata(),
            "pause_schedules": [],
            "phases": [_phase(world, {"items": given}, subscription["currency"], start, stop)],
            "status": "active",
            "subscription": subscription["id"],
        },
        "subscription_schedule.created",
    )
    world.change(subscription, UPDATED, schedule=schedule["id"])
    return schedule


def _phase(world: World, given: Thing, currency: str, start: int, stop: int) -> Thing:
    items = []
    for each in given["items"]:
        price = world.need("price", each.get("price", ""))
        metered = price["recurring"]["usage_type"] == "metered"
        quantity = None if metered else int(each.get("quantity") or 1)
        blank: Thing = {"billing_thresholds": None, "discounts": [], "metadata": {}, "tax_rates": []}
        items.append({**blank, "plan": price["id"], "price": price["id"], "quantity": quantity})
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "billing_cycle_anchor": None,
        "billing_thresholds": None,
        "collection_method": None,
        "currency": currency,
        "default_payment_method": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "end_date": stop,
        "invoice_settings": None,
        "items": items,
        "metadata": given.get("metadata") or {},
        "on_behalf_of": None,
        "proration_behavior": given.get("proration_behavior", "create_prorations"),
        "start_date": start,
        "transfer_data": None,
        "trial_end": None,
    }


@route("GET", "/v1/subscription_schedules/{schedule}")
def retrieve(world: World, params: Params, schedule: str) -> Thing:
    """A schedule."""
    return world.need("subscription_schedule", schedule)


@route("GET", "/v1/subscription_schedules")
def index(world: World, params: Params) -> Thing:
    """Schedules."""
    if "customer" in params.values:
        present(world, params.take("customer"))
    url = "/v1/subscription_schedules"
    return list_things(world, params, "subscription_schedule", url, filters=("customer",))


@route("POST", "/v1/subscription_schedules/{schedule}")
def update(world: World, params: Params, schedule: str) -> Thing:
    """Other phases from the current one on, and what happens after the last."""
    thing = _active(world, schedule)
    changes: dict[str, Any] = {"metadata": params.metadata(thing["metadata"])}
    changes["end_behavior"] = params.choice("end_behavior", ("cancel", "release"), thing["end_behavior"])
    params.choice("proration_behavior", BEHAVIORS)
    phases = params.take("phases")
    if phases:
        subscription = world.need("subscription", thing["subscription"])
        read = _read_phases(world, subscription, thing, phases)
        changes |= {"phases": read, "current_phase": _span(read[0])}
    return world.change(thing, "subscription_schedule.updated", **changes)


def _span(phase: Thing) -> Thing:
    return {"start_date": phase["start_date"], "end_date": phase["end_date"]}


def _read_phases(world: World, subscription: Thing, schedule: Thing, given: list[Thing]) -> list[Thing]:
    """Phases one after the other. The first is the current one and keeps its start."""
    start, read = schedule["current_phase"]["start_date"], []
    if int(given[0].get("start_date", start)) != start:
        raise StripeFault("The first phase must be the current one.", param="phases[0][start_date]")
    for number, phase in enumerate(given):
        if "iterations" in phase:
            raise StripeFault("Received unknown parameter: iterations", param=f"phases[{number}][iterations]")
        if not phase.get("items"):
            raise StripeFault("A phase needs items.", param=f"phases[{number}][items]", code="parameter_missing")
        stop = _end_of(world, phase, start)
        if stop <= max(start, world.clock.seconds()):
            raise StripeFault("A phase must end after it begins and after now.", param=f"phases[{number}][end_date]")
        read.append(_phase(world, phase, subscription["currency"], start, stop))
        start = stop
    return read


def _end_of(world: World, phase: Thing, start: int) -> int:
    """The end of a phase: as given, after its duration, or (in doubt) after one period of its first price."""
    if "end_date" in phase:
        return world.clock.seconds() if phase["end_date"] == "now" else int(phase["end_date"])
    if "duration" in phase:
        duration = phase["duration"]
        return next_period_end(start, start, duration["interval"], int(duration.get("interval_count", 1)))
    recurring = world.need("price", phase["items"][0].get("price", ""))["recurring"]
    return next_period_end(start, start, recurring["interval"], recurring["interval_count"])


@route("POST", "/v1/subscription_schedules/{schedule}/release")
def release_now(world: World, params: Params, schedule: str) -> Thing:
    """The subscription goes on as it is, without a schedule."""
    params.flag("preserve_cancel_date")
    thing = _active(world, schedule)
    _release(world, thing)
    return thing


@route("POST", "/v1/subscription_schedules/{schedule}/cancel")
def cancel(world: World, params: Params, schedule: str) -> Thing:
    """The schedule and its subscription end at once."""
    thing = _active(world, schedule)
    invoice_now = bool(params.flag("invoice_now", default=True))
    prorates = bool(params.flag("prorate", default=True))
    end_now(world, world.need("subscription", thing["subscription"]), invoice_now=invoice_now, prorates=prorates)
    return thing


def _active(world: World, schedule: str) -> Thing:
    thing = world.need("subscription_schedule", schedule)
    if thing["status"] != "active":
        raise StripeFault(f"The schedule is {thing['status']}, not active.", param="status")
    return thing


def _release(world: World, schedule: Thing) -> None:
    subscription = world.need("subscription", schedule["subscription"])
    world.change(subscription, UPDATED, schedule=None)
    world.change(
        schedule,
        None,
        current_phase=None,
        released_at=world.clock.seconds(),
        released_subscription=subscription["id"],
        status="released",
        subscription=None,
    )
    world.emit("subscription_schedule.released", schedule)


def next_phase(world: World, schedule: Thing) -> None:
    """A phase is over: the next begins, at a period's end together with the renewal; or the schedule is done."""
    boundary, subscription = schedule["current_phase"]["end_date"], world.need("subscription", schedule["subscription"])
    following = next((phase for phase in schedule["phases"] if phase["start_date"] >= boundary), None)
    if following is None:
        if schedule["end_behavior"] == "cancel":
            world.change(schedule, "subscription_schedule.completed", status="completed", completed_at=boundary)
            world.change(subscription, None, cancel_at=boundary, canceled_at=subscription["canceled_at"] or boundary)
            renewals.renew(world, subscription)
        else:
            _release(world, schedule)
        return
    world.change(schedule, "subscription_schedule.updated", current_phase=_span(following))
    items = subscription["items"]["data"]
    if min(item["current_period_end"] for item in items) <= boundary:
        renewals.renew(world, subscription, following["items"])
        return
    after = renewals.matched(world, subscription, items, following["items"], boundary)
    given = [{"id": item["id"], "price": item["price"]["id"], **_quantity(item)} for item in after]
    known = {item["id"] for item in items}
    given = [each if each["id"] in known else {key: each[key] for key in each if key != "id"} for each in given]
    kept = {item["id"] for item in after}
    given += [{"id": item["id"], "deleted": "true"} for item in items if item["id"] not in kept]
    wish = Wish(items=given, at=boundary, behavior=following["proration_behavior"])
    subscription_changes.change(world, subscription, wish, {})


def _quantity(item: Thing) -> Thing:
    return {"quantity": item["quantity"]} if "quantity" in item else {}
