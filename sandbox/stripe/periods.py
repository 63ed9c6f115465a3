"""Billing periods: where one ends, and where one that is cut short or lengthened begins and ends."""

from __future__ import annotations

from datetime import UTC, datetime

from sandbox.store import Thing

# States in which periods end and new ones begin.
LIVE = ("active", "past_due", "trialing", "unpaid")
DAY = 86_400


def next_period_end(start: int, anchor: int, interval: str, count: int) -> int:
    """The end of the period that begins at `start`; months keep the anchor's day where the month has it."""
    if interval in {"day", "week"}:
        return start + count * (DAY if interval == "day" else 7 * DAY)
    begin, base = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(anchor, UTC)
    months = begin.year * 12 + begin.month - 1 + (count if interval == "month" else 12 * count)
    year, month = divmod(months, 12)
    return int(_clamped(year, month + 1, base).timestamp())


def _clamped(year: int, month: int, base: datetime) -> datetime:
    for day in range(base.day, 27, -1):
        try:
            return base.replace(year=year, month=month, day=day)
        except ValueError:
            continue
    return base.replace(year=year, month=month, day=min(base.day, 28))


def period_end(price: Thing, start: int, anchor: int) -> int:
    """The end of a price's period that begins at `start`, which lies on the anchor."""
    recurring = price["recurring"]
    return next_period_end(start, anchor, recurring["interval"], recurring["interval_count"])


def first_boundary(price: Thing, anchor: int, after: int) -> int:
    """The first moment above `after` at which a price that is counted from `anchor` begins a period.

    In doubt: that flexible billing lines a new interval up with the anchor and never moves the anchor by itself
    (Stripe's comparison of billing modes says so, the SDK's text on updates says otherwise).
    """
    moment = anchor
    while moment <= after:
        moment = period_end(price, moment, anchor)
    return moment
