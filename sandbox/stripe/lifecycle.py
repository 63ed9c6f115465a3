"""A subscription's states: begun, followed by its payments, ended."""

from __future__ import annotations

from typing import Any

from sandbox.store import Thing
from sandbox.stripe import cards, payments
from sandbox.stripe.invoice_making import subscription_of
from sandbox.stripe.items import list_of
from sandbox.stripe.prorations import begin_usage
from sandbox.world import World

UPDATED = "customer.subscription.updated"


def collect(
    world: World, invoice: Thing, method: Thing | None = None, *, authenticated: bool = False, counts: bool = True
) -> payments.Outcome:
    """Try to collect an open invoice; its subscription follows."""
    outcome = payments.pay(world, invoice, method, authenticated=authenticated, counts=counts)
    if outcome == "paid":
        after_payment(world, invoice)
    else:
        _after_failure(world, invoice)
    return outcome


def after_payment(world: World, invoice: Thing) -> None:
    """What a paid invoice brings: a subscription that recovers, resumes, or takes on its pending update."""
    subscription = subscription_of(world, invoice)
    if subscription is None or subscription["status"] in {"canceled", "incomplete_expired"}:
        return
    pending = world.store.get("pending_change", subscription["id"])
    if pending and pending["invoice"] == invoice["id"]:
        apply_pending(world, subscription, pending)
    resuming = world.store.get("resuming", subscription["id"])
    if subscription["status"] == "paused" and resuming and resuming["invoice"] == invoice["id"]:
        resume(world, subscription, resuming)
    elif subscription["status"] == "incomplete":
        world.change(subscription, UPDATED, status="active")
    elif subscription["status"] in {"past_due", "unpaid"}:
        owed = [each for each in _open_invoices(world, subscription) if each["attempted"]]
        if not owed or invoice["id"] == subscription["latest_invoice"]:
            world.change(subscription, UPDATED, status="active")
            _mark_delinquent(world, invoice, owes=False)


def _after_failure(world: World, invoice: Thing) -> None:
    subscription = subscription_of(world, invoice)
    if subscription is None or subscription["status"] not in {"active", "past_due", "trialing"}:
        return
    pending = world.store.get("pending_change", subscription["id"])
    if pending and pending["invoice"] == invoice["id"]:
        return
    world.change(subscription, UPDATED, status="past_due")
    _mark_delinquent(world, invoice, owes=True)
    if invoice["next_payment_attempt"] is None and invoice["auto_advance"]:
        _give_up(world, subscription)


def _mark_delinquent(world: World, invoice: Thing, *, owes: bool) -> None:
    customer = world.need("customer", invoice["customer"])
    if not customer.get("deleted"):
        world.change(customer, "customer.updated", delinquent=owes)


def _give_up(world: World, subscription: Thing) -> None:
    """After the last retry: what the account's settings say."""
    wanted = world.setting("dunning_end")
    if wanted == "canceled":
        end(world, subscription, "payment_failed")
    elif wanted == "unpaid":
        world.change(subscription, UPDATED, status="unpaid")
    elif wanted == "paused":
        pause(world, subscription, "final_payment_failure")


def _open_invoices(world: World, subscription: Thing) -> list[Thing]:
    own = world.store.by("invoice", "customer", subscription["customer"])
    return [each for each in own if each["status"] == "open" and subscription_of(world, each) is subscription]


def pause(world: World, subscription: Thing, reason: str) -> None:
    """No more periods until it is resumed."""
    now = world.clock.seconds()
    details = {"paused": {"subscription": {"type": reason}, "transitioned_at": now, "type": "subscription"}}
    before = {"status": subscription["status"]}
    world.change(subscription, None, status="paused", status_details=details)
    world.emit("customer.subscription.paused", subscription, before)
    world.emit(UPDATED, subscription, before)


def resume(world: World, subscription: Thing, wanted: Thing) -> None:
    """Live again, with the items and the anchor that were made ready for it."""
    world.store.remove("resuming", subscription["id"])
    before = {"status": subscription["status"]}
    world.change(
        subscription,
        None,
        status="active",
        status_details=None,
        billing_cycle_anchor=wanted["anchor"],
        items=list_of(subscription["id"], wanted["items"]),
    )
    world.emit("customer.subscription.resumed", subscription, before)
    world.emit(UPDATED, subscription, before)


def apply_pending(world: World, subscription: Thing, pending: Thing) -> None:
    """The invoice of a change is paid: now it counts."""
    was_waiting = subscription["pending_update"] is not None
    world.store.remove("pending_change", subscription["id"])
    begin_usage(world, pending["swapped"], pending["at"])
    changes: dict[str, Any] = {**pending["changes"], "pending_update": None}
    world.change(subscription, UPDATED, **changes)
    if was_waiting:
        world.emit("customer.subscription.pending_update_applied", subscription)


def expire_pending(world: World, subscription: Thing) -> None:
    """Nobody paid in time: the change is forgotten and its invoice void."""
    pending = world.need("pending_change", subscription["id"])
    world.store.remove("pending_change", subscription["id"])
    world.change(subscription, UPDATED, pending_update=None)
    world.emit("customer.subscription.pending_update_expired", subscription)
    void(world, world.need("invoice", pending["invoice"]))


def void(world: World, invoice: Thing) -> None:
    """An open or uncollectible invoice is owed no more."""
    payments.drop_payment(world, invoice, "void_invoice")
    moments = {**invoice["status_transitions"], "voided_at": world.clock.seconds()}
    world.change(invoice, None, next_payment_attempt=None, status="void", status_transitions=moments)
    world.emit("invoice.voided", invoice)


def write_off(world: World, invoice: Thing) -> None:
    """An open invoice that nobody will pay."""
    moments = {**invoice["status_transitions"], "marked_uncollectible_at": world.clock.seconds()}
    world.change(invoice, None, next_payment_attempt=None, status="uncollectible", status_transitions=moments)
    world.emit("invoice.marked_uncollectible", invoice)


def end(world: World, subscription: Thing, reason: str) -> None:
    """It is over, now. Open invoices are no longer collected by themselves."""
    now = world.clock.seconds()
    for invoice in _open_invoices(world, subscription):
        world.change(invoice, "invoice.updated", auto_advance=False, next_payment_attempt=None)
    pending = world.store.get("pending_change", subscription["id"])
    if pending:
        world.store.remove("pending_change", subscription["id"])
    world.change(
        subscription,
        None,
        status="canceled",
        ended_at=now,
        canceled_at=subscription["canceled_at"] or now,
        cancellation_details={**subscription["cancellation_details"], "reason": reason},
        pending_update=None,
    )
    world.emit("customer.subscription.deleted", subscription)
    _end_schedule(world, subscription, now)


def _end_schedule(world: World, subscription: Thing, now: int) -> None:
    schedule = world.store.get("subscription_schedule", subscription["schedule"] or "")
    if schedule and schedule["status"] == "active":
        world.change(schedule, "subscription_schedule.canceled", status="canceled", canceled_at=now)


def require_payment(outcome: payments.Outcome) -> None:
    """Refuse the whole call where a payment did not succeed; nothing of it stays."""
    if isinstance(outcome, cards.Decline):
        raise outcome.fault(leaves_traces=False)
    if outcome == "action":
        raise cards.AUTHENTICATE.fault(leaves_traces=False)
