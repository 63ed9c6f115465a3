"""What falls due as time passes: drafts are finalized, periods end, subscriptions end, checkouts expire."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.store import Thing
from sandbox.stripe import invoices, payments
from sandbox.stripe.subscriptions import LIVE, end, next_period_end
from sandbox.world import World

Due = tuple[float, Callable[[World, Thing], None], Thing]


def advance(world: World, target: float) -> None:
    """Let time pass up to `target`, doing what falls due in the order of its time."""
    try:
        while (due := _next_due(world)) and due[0] <= target:
            world.clock.pinned = max(due[0], world.clock.now())
            due[1](world, due[2])
    finally:
        world.clock.pinned = None
    world.clock.set_now(target)


def work_off(world: World) -> None:
    """Do what is due by now: real time passes too."""
    due = _next_due(world)
    if due and due[0] <= world.clock.now():
        advance(world, world.clock.now())


def _next_due(world: World) -> Due | None:
    due: list[Due] = []
    for invoice in world.store.all("invoice"):
        if invoice["status"] == "draft" and invoice["automatically_finalizes_at"]:
            due.append((invoice["automatically_finalizes_at"], _finalize, invoice))
        if invoice["status"] == "open" and invoice["next_payment_attempt"]:
            due.append((invoice["next_payment_attempt"], _retry, invoice))
    for subscription in world.store.all("subscription"):
        if subscription["status"] in LIVE:
            ends = min(item["current_period_end"] for item in subscription["items"]["data"])
            due.append((ends, _renew, subscription))
    due += [
        (session["expires_at"], _expire, session)
        for session in world.store.all("checkout.session")
        if session["status"] == "open"
    ]
    return min(due, key=lambda each: each[0], default=None)


def _finalize(world: World, invoice: Thing) -> None:
    invoices.recount(world, invoice)
    invoices.finalize(world, invoice)
    _retry(world, invoice)


def _retry(world: World, invoice: Thing) -> None:
    """Try to collect; the subscription follows."""
    subscription = world.need("subscription", invoice["parent"]["subscription_details"]["subscription"])
    paid = payments.pay(world, invoice)
    if subscription["status"] in LIVE:
        status = "active" if paid else "past_due"
        world.change(subscription, "customer.subscription.updated", status=status)
    if not paid and invoice["attempt_count"] >= 4:
        world.change(invoice, None, next_payment_attempt=None)
        if subscription["status"] in LIVE:
            end(world, subscription, "payment_failed")


def _renew(world: World, subscription: Thing) -> None:
    """Items whose period ends here begin the next one; what they owe for the past one is drafted."""
    now = world.clock.seconds()
    spans: dict[str, tuple[int, int]] = {}
    items = []
    is_last = _ends_now(subscription, now)
    for item in subscription["items"]["data"]:
        if item["current_period_end"] <= now:
            spans[item["id"]] = (item["current_period_start"], item["current_period_end"])
            if not is_last:
                item = _next_period(subscription, item)
        items.append(item)
    if is_last:
        end(world, subscription, "cancellation_requested")
    else:
        changed = {**subscription["items"], "data": items}
        world.change(subscription, "customer.subscription.updated", items=changed)
    lines = invoices.renewal_lines(world, subscription, spans)
    if lines:
        start, stop = min(span[0] for span in spans.values()), now
        invoice = invoices.draft(world, subscription, "subscription_cycle", lines, start, stop)
        world.change(subscription, None, latest_invoice=invoice["id"])


def _ends_now(subscription: Thing, now: int) -> bool:
    if subscription["cancel_at_period_end"]:
        return True
    return subscription["cancel_at"] is not None and subscription["cancel_at"] <= now


def _next_period(subscription: Thing, item: Thing) -> Thing:
    recurring, start = item["price"]["recurring"], item["current_period_end"]
    stop = next_period_end(
        start, subscription["billing_cycle_anchor"], recurring["interval"], recurring["interval_count"]
    )
    return {**item, "current_period_start": start, "current_period_end": stop}


def _expire(world: World, session: Thing) -> None:
    world.change(session, None, status="expired", url=None)
    world.emit("checkout.session.expired", session)
