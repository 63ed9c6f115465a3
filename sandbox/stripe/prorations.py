"""What a change in mid-period costs: unused time back, remaining time charged, usage so far billed at its old price."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from sandbox.store import Thing
from sandbox.stripe import pending_items
from sandbox.stripe.discounts import coupon_of, in_force
from sandbox.stripe.invoice_lines import metered_lines, product_name
from sandbox.stripe.items import is_metered
from sandbox.stripe.pricing import amount_of, round_half_up
from sandbox.world import World


def usage_start(world: World, item: Thing) -> int:
    """From when an item's usage is unbilled: its period's start, or the moment its price was last swapped."""
    swapped = world.store.get("usage_from", item["id"])
    start = int(item["current_period_start"])
    return max(start, swapped["start"]) if swapped else start


def begin_usage(world: World, item_ids: list[str], at: int) -> None:
    """From `at` on these items bill at the price they have now."""
    for item_id in item_ids:
        world.store.put("usage_from", {"id": item_id, "start": at})


def swapped_meters(before: list[Thing], after: list[Thing], *, is_reset: bool) -> list[Thing]:
    """The metered items, as they were, whose price changes or goes (all of them where the cycle begins anew)."""
    kept = {item["id"]: item["price"]["id"] for item in after}
    return [item for item in before if is_metered(item) and (is_reset or kept.get(item["id"]) != item["price"]["id"])]


def prorate(
    world: World, subscription: Thing, before: list[Thing], after: list[Thing], at: int, *, is_reset: bool = False
) -> None:
    """Make the invoice items of a change at `at`. A cycle that begins anew is charged by whole lines elsewhere."""
    new = {item["id"]: item for item in after}
    old = {item["id"]: item for item in before}
    for item in before:
        if is_metered(item):
            continue
        if is_reset or _terms(item) != _terms(new.get(item["id"])):
            _credit(world, subscription, item, at)
    for item in swapped_meters(before, after, is_reset=is_reset):
        bill_usage(world, subscription, item, at)
    for item in after:
        if not is_reset and not is_metered(item) and _terms(item) != _terms(old.get(item["id"])):
            _charge(world, subscription, item, at)


def _terms(item: Thing | None) -> tuple[str, int] | None:
    return (item["price"]["id"], item["quantity"]) if item and not is_metered(item) else None


def share_of(amount: int, at: int, start: int, stop: int) -> int:
    """The part of a period's amount that belongs to `[at, stop)`, to the second."""
    return round_half_up(Decimal(amount) * (stop - at) / (stop - start))


def _credit(world: World, subscription: Thing, item: Thing, at: int) -> None:
    amount = share_of(_whole(world, subscription, item), at, item["current_period_start"], item["current_period_end"])
    if amount and item["current_period_end"] > at:
        _add(world, subscription, item, -amount, "Unused time on", at)


def _charge(world: World, subscription: Thing, item: Thing, at: int) -> None:
    start, stop = item["current_period_start"], item["current_period_end"]
    if start == at:
        # A new item or interval: its first period is cut short at the front, so it is measured by a whole one.
        start = stop - _usual_length(item)
    amount = share_of(_whole(world, subscription, item), at, start, stop)
    if amount and stop > at:
        _add(world, subscription, item, amount, "Remaining time on", at)


def _usual_length(item: Thing) -> int:
    """Seconds of the whole period that ends where this item's does."""
    recurring, stop = item["price"]["recurring"], datetime.fromtimestamp(item["current_period_end"], UTC)
    days = {"day": 1, "week": 7}.get(recurring["interval"])
    if days:
        return days * 86_400 * int(recurring["interval_count"])
    months = (
        stop.year * 12 + stop.month - 1 - recurring["interval_count"] * (12 if recurring["interval"] == "year" else 1)
    )
    year, month = divmod(months, 12)
    for day in range(stop.day, 0, -1):
        try:
            begin = stop.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
        return int((stop - begin).total_seconds())
    raise AssertionError(stop)


def _whole(world: World, subscription: Thing, item: Thing) -> int:
    """A whole period's amount net of percentage discounts: flexible billing includes them in prorations."""
    amount = Decimal(amount_of(world, item["price"], item["quantity"]))
    for discount_id in in_force(world, subscription["discounts"], world.clock.seconds()):
        percent = coupon_of(world, discount_id)["percent_off"]
        if percent is not None:
            amount -= amount * Decimal(str(percent)) / 100
    return round_half_up(amount)


def _add(world: World, subscription: Thing, item: Thing, amount: int, words: str, at: int) -> None:
    day = datetime.fromtimestamp(at, UTC)
    name, quantity = product_name(world, item["price"]), item["quantity"]
    pending_items.add_for(
        world,
        subscription,
        item,
        amount,
        f"{words} {quantity} × {name} after {day.day} {day:%b %Y}",
        span=(at, item["current_period_end"]),
        quantity=quantity,
        proration=True,
        discountable=False,
    )


def bill_usage(world: World, subscription: Thing, item: Thing, until: int) -> None:
    """Usage of an item that is not billed yet, as invoice items at the price it has."""
    start = usage_start(world, item)
    for line in metered_lines(world, item, subscription["customer"], start, until) if start < until else []:
        if line["quantity"] or line["amount"]:
            pending_items.add_for(
                world,
                subscription,
                item,
                line["amount"],
                line["description"],
                span=(start, until),
                quantity=line["quantity"],
                rate=line["pricing"]["unit_amount_decimal"],
            )
