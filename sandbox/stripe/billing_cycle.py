"""What falls due as time passes, done in the order of its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sandbox.store import Thing
from sandbox.stripe import checkout, lifecycle, renewals, schedules
from sandbox.stripe.invoice_making import finalize, subscription_of
from sandbox.stripe.lifecycle import UPDATED, collect
from sandbox.stripe.periods import DAY, LIVE
from sandbox.world import World

Due = tuple[float, Callable[[World, Thing], None], Thing]
TRIAL_WARNING = 3 * DAY
INCOMPLETE_SECONDS = 23 * 3_600
KEY_SECONDS, EVENT_SECONDS = DAY, 30 * DAY


def advance(world: World, target: float) -> None:
    """Let time pass up to `target`, doing what falls due in the order of its time."""
    try:
        while (due := min(_dues(world), key=lambda each: each[0], default=None)) and due[0] <= target:
            world.clock.pinned = max(due[0], world.clock.now())
            due[1](world, due[2])
    finally:
        world.clock.pinned = None
    world.clock.set_now(target)


def work_off(world: World) -> None:
    """Do what is due by now: real time passes too."""
    due = min(_dues(world), key=lambda each: each[0], default=None)
    if due and due[0] <= world.clock.now():
        advance(world, world.clock.now())


def forget_old(world: World) -> None:
    """Idempotency keys of version 1 last a day, events 30 days, but as long as a webhook of theirs is on its way."""
    oldest_key = world.clock.now() - KEY_SECONDS
    while (first := world.store.oldest("idempotency_key")) and first[1]["at"] < oldest_key:
        world.store.remove("idempotency_key", first[0])
    oldest_event = world.clock.now() - EVENT_SECONDS
    while (first := world.store.oldest("event")) and first[1]["created"] < oldest_event:
        if first[1]["pending_webhooks"]:
            return
        world.store.remove("event", first[0])


def _dues(world: World) -> Iterator[Due]:
    """Everything that will fall due, as things stand. Of one moment, what comes first here is done first."""
    for schedule in world.store.by("subscription_schedule", "status", "active"):
        yield schedule["current_phase"]["end_date"], schedules.next_phase, schedule
    for invoice in world.store.by("invoice", "status", "draft", "open"):
        if invoice["status"] == "draft" and invoice["automatically_finalizes_at"]:
            yield invoice["automatically_finalizes_at"], _finalize, invoice
        if invoice["status"] == "open" and invoice["next_payment_attempt"]:
            yield invoice["next_payment_attempt"], _retry, invoice
    for subscription in world.store.by("subscription", "status", *LIVE, "incomplete"):
        yield from _subscription_dues(world, subscription)
    for session in world.store.by("checkout.session", "status", "open"):
        yield session["expires_at"], checkout.expire_now, session


def _subscription_dues(world: World, subscription: Thing) -> Iterator[Due]:
    if subscription["status"] == "incomplete":
        yield subscription["created"] + INCOMPLETE_SECONDS, _expire_incomplete, subscription
        return
    ends = min(item["current_period_end"] for item in subscription["items"]["data"])
    if subscription["pending_update"]:
        yield subscription["pending_update"]["expires_at"], lifecycle.expire_pending, subscription
    if subscription["pause_collection"] and subscription["pause_collection"]["resumes_at"]:
        yield subscription["pause_collection"]["resumes_at"], _collect_again, subscription
    told = world.store.get("told", subscription["id"]) or {}
    if subscription["status"] == "trialing" and told.get("trial_end") != subscription["trial_end"]:
        yield max(subscription["trial_end"] - TRIAL_WARNING, subscription["created"]), _warn_of_trial_end, subscription
    days = world.setting("upcoming_days")
    is_last = subscription["cancel_at_period_end"] or (subscription["cancel_at"] or ends + 1) <= ends
    if days and told.get("upcoming") != ends and not is_last and subscription["schedule"] is None:
        yield ends - days * DAY, renewals.tell_of_upcoming, subscription
    yield min(ends, subscription["cancel_at"] or ends), _renew, subscription


def _renew(world: World, subscription: Thing) -> None:
    renewals.renew(world, subscription)


def _finalize(world: World, invoice: Thing) -> None:
    """The hour of a draft is over."""
    subscription = subscription_of(world, invoice)
    paused = subscription["pause_collection"] if subscription else None
    if not finalize(world, invoice):
        return
    if paused and paused["behavior"] == "void":
        lifecycle.void(world, invoice)
    elif paused and paused["behavior"] == "mark_uncollectible":
        lifecycle.write_off(world, invoice)
    elif invoice["auto_advance"]:
        collect(world, invoice)


def _retry(world: World, invoice: Thing) -> None:
    collect(world, invoice)


def _expire_incomplete(world: World, subscription: Thing) -> None:
    """Nobody paid the first invoice in time."""
    invoice = world.store.get("invoice", subscription["latest_invoice"] or "")
    if invoice and invoice["status"] == "open":
        lifecycle.void(world, invoice)
    now = world.clock.seconds()
    world.change(subscription, UPDATED, status="incomplete_expired", ended_at=now)


def _collect_again(world: World, subscription: Thing) -> None:
    world.change(subscription, UPDATED, pause_collection=None)


def _warn_of_trial_end(world: World, subscription: Thing) -> None:
    told = world.store.get("told", subscription["id"]) or {}
    world.store.put("told", {**told, "id": subscription["id"], "trial_end": subscription["trial_end"]})
    world.emit("customer.subscription.trial_will_end", subscription)
