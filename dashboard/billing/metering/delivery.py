"""Handing events to Stripe: several customers at once, one call at a time for a customer and meter, with care.

Knows no database. A chunk's events are packed into units: all events of a customer and meter are in one unit, and one
thread works off a unit, call after call.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from dashboard.billing.ports.meters import EventToSend, MeterSender, Pace
from dashboard.billing.ports.providers import ProviderBusy, ProviderRefused, ProviderUnavailable

# Tries of one call, and the bounds of the wait between them in seconds: full jitter, so that those who were turned away
# together do not come back together.
TRIES = 3
TRIES_WHEN_BUSY = 8
FIRST_WAIT = 0.5
LONGEST_WAIT = 20.0
# Customers in a row whose calls all failed: then it is not about them, and the rest is left for the next run.
MOST_FAILED = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What Stripe said to one event: taken (`is_duplicate`: known before), or refused for the reason in `error`."""

    event: EventToSend
    is_duplicate: bool = False
    error: str | None = None
    code: str | None = None


@dataclass(slots=True)
class Delivered:
    """What became of a chunk. `unavailable` is why some events have no outcome; `uncertain` are those of them that
    Stripe may have taken without our hearing of it.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    uncertain: list[EventToSend] = field(default_factory=list)
    unavailable: str | None = None


@dataclass(slots=True)
class Outage:
    """Whether Stripe is out of reach for everybody: so many customers in a row could not be sent for."""

    failed: int = 0
    reason: str | None = None

    @property
    def is_total(self) -> bool:
        """Whether to stop trying."""
        return self.failed >= MOST_FAILED

    def note(self, reason: str | None) -> None:
        """Note one customer's failure, or (None) a success."""
        self.failed = 0 if reason is None else self.failed + 1
        self.reason = reason or self.reason


def deliver(
    events: Sequence[EventToSend], sender: MeterSender, pace: Pace, pool: Executor, outage: Outage
) -> Delivered:
    """Send these events. Never raises for what Stripe does: its answer, or the lack of one, is in the result."""
    whole = Delivered()
    units = pack(events, sender.most)
    for part in pool.map(lambda unit: _deliver_unit(unit, sender, pace, outage), units):
        whole.outcomes += part.outcomes
        whole.uncertain += part.uncertain
        whole.unavailable = whole.unavailable or part.unavailable
    return whole


def pack(events: Sequence[EventToSend], most: int) -> list[list[EventToSend]]:
    """The events in units of about `most`, those of one customer and meter together and in their order."""
    groups: dict[tuple[int, str], list[EventToSend]] = {}
    for event in events:
        groups.setdefault((event.tenant_id, event.event_name), []).append(event)
    units: list[list[EventToSend]] = []
    for group in groups.values():
        if units and len(units[-1]) + len(group) <= most:
            units[-1] += group
        else:
            units.append(group)
    return units


def _deliver_unit(unit: Sequence[EventToSend], sender: MeterSender, pace: Pace, outage: Outage) -> Delivered:
    done = Delivered()
    for batch in _cut(unit, sender.most):
        if outage.is_total:
            done.unavailable = outage.reason
            break
        try:
            done.outcomes += _send(batch, sender, pace)
        except ProviderUnavailable as error:
            outage.note(str(error))
            done.unavailable = str(error)
            if not error.is_untaken:
                done.uncertain += batch
            break
        outage.note(None)
    return done


def _cut(unit: Sequence[EventToSend], most: int) -> Iterator[Sequence[EventToSend]]:
    for start in range(0, len(unit), most):
        yield unit[start : start + most]


def _send(batch: Sequence[EventToSend], sender: MeterSender, pace: Pace) -> list[Outcome]:
    """Send one batch. A refusal is brought home to the events it is about by halving: the others go on."""
    try:
        is_new = _try(batch, sender, pace)
    except ProviderRefused as refusal:
        if len(batch) == 1:
            return [Outcome(batch[0], error=str(refusal), code=refusal.code)]
        middle = len(batch) // 2
        return _send(batch[:middle], sender, pace) + _send(batch[middle:], sender, pace)
    return [Outcome(event, is_duplicate=not new) for event, new in zip(batch, is_new, strict=True)]


def _try(batch: Sequence[EventToSend], sender: MeterSender, pace: Pace) -> list[bool]:
    """Call until there is an answer, always with the same identifiers.

    Raises `ProviderRefused`, and `ProviderUnavailable` after the last try.
    """
    tries, was_uncertain = 0, False
    while True:
        pace.take(len(batch))
        tries += 1
        try:
            return sender.send(batch)
        except ProviderBusy as busy:
            if tries >= TRIES_WHEN_BUSY:
                raise ProviderUnavailable(str(busy), is_untaken=not was_uncertain) from busy
            wait = max(busy.retry_after or 0, _jittered(tries))
            if busy.is_for_all:
                pace.hold(wait)
            else:
                pace.wait(wait)
        except ProviderUnavailable as error:
            was_uncertain = was_uncertain or not error.is_untaken
            if tries >= TRIES:
                raise ProviderUnavailable(str(error), is_untaken=not was_uncertain) from error
            pace.wait(_jittered(tries))


def _jittered(tries: int) -> float:
    """Seconds to wait after so many tries."""
    return random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tries - 1)))  # noqa: S311 (no secret)
