"""The end of a period: the next one begins, the past one's usage is drafted; or the subscription is over."""

from __future__ import annotations

import json
from typing import Any

from sandbox.store import Thing
from sandbox.stripe.invoice_lines import licensed_line
from sandbox.stripe.invoice_making import Usage, draft
from sandbox.stripe.items import checked, is_metered, list_of, make_item, with_price
from sandbox.stripe.lifecycle import UPDATED, end, pause
from sandbox.stripe.payments import method_for
from sandbox.stripe.pending_items import waiting
from sandbox.stripe.periods import first_boundary, period_end
from sandbox.stripe.prorations import usage_start
from sandbox.world import World


def renew(world: World, subscription: Thing, wanted: list[Thing] | None = None) -> Thing | None:
    """Items whose period ends first begin the next one; the draft that this makes, if any.

    It may run later than the period's end, as real time is looked at once a second: periods join without a gap all
    the same. `wanted` are the items (prices and quantities) of a schedule's next phase that begins at that end.
    """
    now = world.clock.seconds()
    before = subscription["items"]["data"]
    boundary = min(item["current_period_end"] for item in before)
    if _ends_now(subscription, now):
        return _finish(world, subscription, before, min(boundary, subscription["cancel_at"] or boundary))
    trial_ends = subscription["status"] == "trialing" and subscription["trial_end"] <= now
    if trial_ends and not _goes_on_after_trial(world, subscription):
        return None
    due = [item for item in before if item["current_period_end"] == boundary]
    usages = [(item, (usage_start(world, item), boundary)) for item in due if is_metered(item)]
    if trial_ends and usage_in_trial_is_free():
        usages = []
    after = before if wanted is None else matched(world, subscription, before, wanted, boundary)
    ended = {item["id"] for item in due}
    after = [_next_period(subscription, item, boundary) if item["id"] in ended else item for item in after]
    changes: dict[str, Any] = {"items": list_of(subscription["id"], after)}
    if trial_ends:
        changes["status"] = "active"
    world.change(subscription, UPDATED, **changes)
    for item in due:
        world.store.remove("usage_from", item["id"])
    lines = [
        licensed_line(world, item, item["current_period_start"], item["current_period_end"])
        for item in after
        if item["current_period_start"] == boundary and not is_metered(item)
    ]
    if not lines and not usages:
        return None
    start = min(item["current_period_start"] for item in due)
    invoice = draft(world, subscription, "subscription_cycle", lines, (start, boundary), usages)
    _hold_back(world, subscription, invoice)
    return invoice


def usage_in_trial_is_free() -> bool:
    """Whether metered usage during a trial is billed on no invoice.

    In doubt: Stripe's pages call the whole trial free of charge, without a word on meters.
    """
    return True


def _hold_back(world: World, subscription: Thing, invoice: Thing) -> None:
    """An unpaid subscription's invoices stay drafts, as do those of one whose collection is paused that way."""
    paused = subscription["pause_collection"]
    if subscription["status"] == "unpaid" or (paused and paused["behavior"] == "keep_as_draft"):
        world.change(invoice, "invoice.updated", auto_advance=False, automatically_finalizes_at=None)


def _ends_now(subscription: Thing, now: int) -> bool:
    if subscription["cancel_at"] is not None and subscription["cancel_at"] <= now:
        return True
    ends = min(item["current_period_end"] for item in subscription["items"]["data"])
    return bool(subscription["cancel_at_period_end"]) and ends <= now


def _finish(world: World, subscription: Thing, items: list[Thing], at: int) -> Thing | None:
    """Over: the last invoice bills the usage of every meter up to the end, and what waited."""
    usages: list[Usage] = []
    if subscription["status"] != "trialing":
        usages = [(item, (usage_start(world, item), at)) for item in items if is_metered(item)]
    end(world, subscription, "cancellation_requested")
    return last_invoice(world, subscription, [usage for usage in usages if usage[1][0] < usage[1][1]], at)


def last_invoice(world: World, subscription: Thing, usages: list[Usage], now: int) -> Thing | None:
    """A draft of what an ended subscription still owes, if it owes anything."""
    if not usages and not waiting(world, subscription["customer"], subscription["id"], subscription["currency"]):
        return None
    start = min((span[0] for _, span in usages), default=now)
    return draft(world, subscription, "subscription_cycle", [], (start, now), usages)


def _goes_on_after_trial(world: World, subscription: Thing) -> bool:
    """Without a payment method a trial may end the subscription, or pause it."""
    wanted = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    known = method_for(world, {**subscription, "default_payment_method": None, "parent": _parent(subscription)})
    if known is not None or wanted == "create_invoice":
        return True
    if wanted == "cancel":
        end(world, subscription, "payment_failed")
    else:
        pause(world, subscription, "trial_end_without_payment_method")
    return False


def _parent(subscription: Thing) -> Thing:
    return {"subscription_details": {"subscription": subscription["id"]}}


def _next_period(subscription: Thing, item: Thing, start: int) -> Thing:
    if item["current_period_end"] == start:
        stop = period_end(item["price"], start, subscription["billing_cycle_anchor"])
        return {**item, "current_period_start": start, "current_period_end": stop}
    # Its interval was changed at this very boundary: it has its new period already.
    return item


def matched(world: World, subscription: Thing, before: list[Thing], wanted: list[Thing], at: int) -> list[Thing]:
    """The items of a phase: the same price stays; one of the same meter (or the base) takes the new price."""
    left, after = list(before), []
    for given in wanted:
        price = world.need("price", given["price"])
        kept = next((item for item in left if item["price"]["id"] == price["id"]), None)
        kept = kept or next((item for item in left if _are_alike(item["price"], price)), None)
        if kept is None:
            stop = first_boundary(price, subscription["billing_cycle_anchor"], at)
            after.append(make_item(world, subscription["id"], given, at, stop))
            continue
        left.remove(kept)
        item = with_price(kept, price, given.get("quantity"))
        if price["recurring"]["interval"] != kept["price"]["recurring"]["interval"]:
            stop = first_boundary(price, subscription["billing_cycle_anchor"], at)
            item |= {"current_period_start": at, "current_period_end": stop}
        after.append(item)
    return checked(after)


def _are_alike(one: Thing, other: Thing) -> bool:
    return bool(one["recurring"]["meter"] == other["recurring"]["meter"])


def tell_of_upcoming(world: World, subscription: Thing) -> None:
    """`invoice.upcoming`: a preview of the renewal, without an id."""
    told = world.store.get("told", subscription["id"]) or {}
    ends = min(item["current_period_end"] for item in subscription["items"]["data"])
    world.store.put("told", {**told, "id": subscription["id"], "upcoming": ends})
    preview = preview_renewal(world, subscription)
    if preview:
        preview.pop("id")
        for line in preview["lines"]["data"]:
            line["invoice"] = None
        world.emit("invoice.upcoming", preview)


def preview_renewal(world: World, subscription: Thing) -> Thing | None:
    """The invoice of the next period's end as things stand now; nothing of it stays."""
    subscription_id = subscription["id"]
    with world.only_looking():
        current = world.need("subscription", subscription_id)
        world.clock.pinned = min(item["current_period_end"] for item in current["items"]["data"])
        invoice = renew(world, current)
        return as_preview(world, invoice) if invoice else None


def as_preview(world: World, invoice: Thing) -> Thing:
    """A copy of an invoice that does not exist yet."""
    copy: Thing = json.loads(json.dumps(invoice))
    due = invoice["total"] + invoice["starting_balance"]
    moments = dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at"))
    return {
        **copy,
        "id": f"upcoming_{invoice['id']}",
        "amount_due": max(due, 0),
        "amount_paid": 0,
        "amount_remaining": max(due, 0),
        "attempt_count": 0,
        "attempted": False,
        "automatically_finalizes_at": None,
        "billing_reason": "upcoming",
        "ending_balance": min(due, 0),
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "number": None,
        "status": "draft",
        "status_transitions": moments,
    }
