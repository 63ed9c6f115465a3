"""Changes of a running subscription: items, the billing cycle, the trial; invoiced now, later or never."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.store import Thing
from sandbox.stripe.invoice_lines import licensed_line
from sandbox.stripe.invoice_making import draft, finalize
from sandbox.stripe.items import changed_items, is_metered, list_of
from sandbox.stripe.lifecycle import UPDATED, apply_pending, collect, expire_pending, require_payment
from sandbox.stripe.pending_items import waiting
from sandbox.stripe.periods import period_end
from sandbox.stripe.prorations import begin_usage, prorate, swapped_meters
from sandbox.world import World

PENDING_SECONDS = 23 * 3_600


@dataclass(frozen=True, slots=True)
class Wish:
    """A change: the items given, from when on, whether the cycle or the trial begins or ends, who pays when."""

    items: list[Thing]
    at: int
    behavior: str = "create_prorations"
    payment_behavior: str = "allow_incomplete"
    resets_cycle: bool = False
    trial_end: int | None = None
    ends_trial: bool = False


def change(world: World, subscription: Thing, wish: Wish, others: dict[str, Any]) -> Thing | None:
    """Make a change, with the `others` fields beside it. The invoice it causes at once, if any."""
    now, was_trialing = world.clock.seconds(), subscription["status"] == "trialing"
    if subscription["pending_update"]:
        # A newer wish takes the place of one that waits for its payment.
        expire_pending(world, subscription)
    before = subscription["items"]["data"]
    after = changed_items(world, subscription, wish.items, wish.at)
    resets = wish.resets_cycle or wish.ends_trial
    changes = dict(others)
    if resets:
        after = [_from_now(item, now) for item in after]
        changes["billing_cycle_anchor"] = now
        changes |= {"status": "active", "trial_end": now} if was_trialing else {}
    elif wish.trial_end:
        after = [{**item, "current_period_end": wish.trial_end} for item in after]
        changes |= {"billing_cycle_anchor": wish.trial_end, "trial_end": wish.trial_end, "status": "trialing"}
        changes["trial_start"] = subscription["trial_start"] or now
    changes["items"] = list_of(subscription["id"], after)
    swapped = [item["id"] for item in swapped_meters(before, after, is_reset=resets)]
    if wish.behavior != "none" and not was_trialing:
        prorate(world, subscription, before, after, wish.at, is_reset=resets)
    if wish.payment_behavior != "pending_if_incomplete":
        begin_usage(world, swapped, wish.at)
        world.change(subscription, UPDATED, **changes)
    lines = [
        licensed_line(world, item, item["current_period_start"], item["current_period_end"])
        for item in after
        if resets and not is_metered(item)
    ]
    has_items = waiting(world, subscription["customer"], subscription["id"], subscription["currency"])
    invoice = None
    if lines or (wish.behavior == "always_invoice" and has_items):
        invoice = draft(world, subscription, "subscription_update", lines, (wish.at, now))
    if wish.payment_behavior == "pending_if_incomplete":
        pending = {"id": subscription["id"], "invoice": None, "changes": changes, "swapped": swapped, "at": wish.at}
        return _change_when_paid(world, subscription, invoice, pending)
    if invoice and finalize(world, invoice) and wish.payment_behavior != "default_incomplete":
        outcome = collect(world, invoice)
        if wish.payment_behavior == "error_if_incomplete":
            require_payment(outcome)
    return invoice


def _from_now(item: Thing, now: int) -> Thing:
    return {**item, "current_period_start": now, "current_period_end": period_end(item["price"], now, now)}


def _change_when_paid(world: World, subscription: Thing, invoice: Thing | None, pending: Thing) -> Thing | None:
    """The change counts once its invoice is paid; until then, at most 23 hours, it waits."""
    if invoice is None:
        apply_pending(world, subscription, pending)
        return None
    pending["invoice"] = invoice["id"]
    world.store.put("pending_change", pending)
    world.change(invoice, None, auto_advance=False)
    if not finalize(world, invoice) or collect(world, invoice) == "paid":
        return invoice
    ends = min(item["current_period_end"] for item in subscription["items"]["data"])
    world.change(
        subscription,
        UPDATED,
        pending_update={
            "billing_cycle_anchor": pending["changes"].get("billing_cycle_anchor"),
            "expires_at": min(world.clock.seconds() + PENDING_SECONDS, ends),
            "subscription_items": pending["changes"]["items"]["data"],
            "trial_end": None,
            "trial_from_plan": None,
        },
    )
    return invoice
