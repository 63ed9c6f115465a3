"""Paying an invoice: one try at a card, and every mark it leaves."""

from __future__ import annotations

from typing import Literal

from sandbox.store import Thing
from sandbox.stripe import cards, disputes, intents
from sandbox.stripe.invoice_making import subscription_of
from sandbox.world import World

Outcome = Literal["paid", "action"] | cards.Decline


def method_for(world: World, invoice: Thing) -> Thing | None:
    """The payment method an invoice is charged to: its own, the subscription's, the customer's."""
    subscription = subscription_of(world, invoice)
    customer = world.need("customer", invoice["customer"])
    candidates = (
        invoice["default_payment_method"],
        subscription["default_payment_method"] if subscription else None,
        customer.get("invoice_settings", {}).get("default_payment_method"),
    )
    chosen = next((each for each in candidates if each), None)
    return world.store.get("payment_method", chosen) if chosen else None


def pay(
    world: World, invoice: Thing, method: Thing | None = None, *, authenticated: bool = False, counts: bool = True
) -> Outcome:
    """Try to collect an open invoice. `counts` says whether it is one of the attempts that retries are counted by."""
    found = intents.payment_of(world, invoice)
    if not invoice["amount_remaining"] or found is None:
        settle(world, invoice, counts=counts)
        return "paid"
    intent, row = found
    method = method or method_for(world, invoice)
    outcome = cards.try_charge(world, method, authenticated=authenticated)
    if outcome == "paid" and method:
        charge = intents.succeed(world, intent, method)
        now = world.clock.seconds()
        moments = {**row["status_transitions"], "paid_at": now}
        world.change(row, None, amount_paid=invoice["amount_remaining"], status="paid", status_transitions=moments)
        settle(world, invoice, counts=counts)
        world.emit("invoice_payment.paid", row)
        if cards.number_of(world, method) == cards.DISPUTED:
            disputes.open_dispute(world, charge)
        return outcome
    _note_failure(world, invoice, intent, method, outcome, counts=counts)
    return outcome


def _note_failure(
    world: World, invoice: Thing, intent: Thing, method: Thing | None, outcome: Outcome, *, counts: bool
) -> None:
    attempts = invoice["attempt_count"] + counts
    retry = next_attempt(world, attempts) if counts else invoice["next_payment_attempt"]
    if not invoice["auto_advance"] or invoice["billing_reason"] == "subscription_create":
        retry = None
    if isinstance(outcome, cards.Decline):
        intents.fail(world, intent, method, outcome)
    elif method:
        intents.ask(world, intent, method)
    world.change(invoice, "invoice.updated", attempt_count=attempts, attempted=True, next_payment_attempt=retry)
    if not isinstance(outcome, cards.Decline):
        world.emit("invoice.payment_action_required", invoice)
    if isinstance(outcome, cards.Decline) or failed_too_when_asked():
        world.emit("invoice.payment_failed", invoice)


def failed_too_when_asked() -> bool:
    """Whether a payment that waits for the customer to authenticate is also told as failed.

    In doubt: Stripe's pages name `invoice.payment_action_required` for it, and show `payment_failed` beside it.
    """
    return True


def next_attempt(world: World, attempts: int) -> int | None:
    """When the next try is due after so many; None after the last."""
    days = world.setting("dunning_days")
    return world.clock.seconds() + int(days[attempts - 1] * 86_400) if 0 < attempts <= len(days) else None


def settle(world: World, invoice: Thing, *, counts: bool = True, out_of_band: bool = False) -> None:
    """The invoice is paid."""
    now = world.clock.seconds()
    amount = invoice["amount_remaining"]
    changes = {"amount_paid_off_stripe": amount} if out_of_band else {}
    world.change(
        invoice,
        "invoice.updated",
        amount_paid=invoice["amount_paid"] + amount,
        amount_remaining=0,
        attempt_count=invoice["attempt_count"] + counts,
        attempted=True,
        next_payment_attempt=None,
        status="paid",
        status_transitions={**invoice["status_transitions"], "paid_at": now},
        **changes,
    )
    world.emit("invoice.paid", invoice)
    world.emit("invoice.payment_succeeded", invoice)


def drop_payment(world: World, invoice: Thing, reason: str) -> None:
    """The invoice will not be paid by card: its intent and payment are canceled."""
    found = intents.payment_of(world, invoice)
    if found and found[1]["status"] == "open":
        intent, row = found
        intents.cancel(world, intent, reason)
        moments = {**row["status_transitions"], "canceled_at": world.clock.seconds()}
        world.change(row, None, status="canceled", status_transitions=moments)
