"""Where Stripe sends events to us, and the roll from one such place to another.

A place is made once. One of another API version can never be changed, so a new one is made beside it. Both deliver
until the environment has the secret of the new one: only then the old one is disabled. An event that both deliver
counts once, by its id.
Stripe tells a secret once, in its answer to the creation. Until it was handed over, the place's metadata says so:
should it be lost on the way, the next run makes another and disables this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Protocol

from dashboard.integrations.stripe.setup.steps import MANAGED, Action, Step, changed, differences

STATE = "signing_secret"
UNREAD = "not handed over yet"
Metadata = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Receiver:
    """A place as it is. `is_fit` says whether what it sends has the form that we read."""

    id: str
    url: str
    label: str
    is_fit: bool
    is_enabled: bool
    events: tuple[str, ...]
    created: datetime
    metadata: Metadata

    @property
    def is_unread(self) -> bool:
        """Whether nobody has its secret."""
        return self.metadata.get(STATE) == UNREAD

    def is_known(self, secrets: Sequence[str]) -> bool:
        """Whether its secret is among these. Of a place made by hand nothing tells: it is believed."""
        mark = self.metadata.get(STATE)
        return mark is None or mark in {fingerprint(secret) for secret in secrets}


@dataclass(frozen=True, slots=True)
class NewSecret:
    """The secret of a place that a step made; `note` lays metadata over that of the place.

    Secrets are tried in their order, so that of a place that sends little `is_last`.
    """

    secret: str
    note: Callable[[Metadata], object]
    is_last: bool = False

    def hand_over(self) -> None:
        """Say that it is where it belongs, and leave its fingerprint to know it by."""
        self.note({STATE: fingerprint(self.secret)})


class Receivers(Protocol):
    """The places of one kind, and what can be done to them."""

    @property
    def kind(self) -> str:
        """What such a place is called."""

    @property
    def form(self) -> str:
        """In a few words, the form of what it sends."""

    @property
    def wanted(self) -> Sequence[str]:
        """The event types that it is to send."""

    def list(self, url: str) -> list[Receiver]:
        """Those at an address."""

    def create(self, url: str, metadata: Metadata) -> NewSecret:
        """Make one that sends what is wanted."""

    def mend(self, there: Receiver) -> None:
        """Have one send what is wanted."""

    def disable(self, there: Receiver) -> None:
        """Have one send nothing any more."""


def plan_receivers(places: Receivers, url: str, known: Sequence[str], new: list[NewSecret]) -> Iterator[Step]:
    """The steps for the places of a kind at `url`; `known` are the secrets that the environment has."""
    ours = places.list(url)
    usable = [each for each in ours if each.is_fit and not each.is_unread]
    # An enabled one, else the newest that was disabled.
    current = max(usable, key=lambda each: (each.is_enabled, each.created), default=None)
    if current is None:
        yield Step(Action.CREATE, places.kind, url, places.form, partial(_create, places, url, new))
    else:
        yield _keep(places, current, known)
    for each in ours:
        if each.is_enabled and (current is None or each.id != current.id):
            yield _let_go(places, each, current, known)


def in_order(new: Sequence[NewSecret], known: Sequence[str]) -> str:
    """The value of STRIPE_WEBHOOK_SECRET with the new secrets beside those that the environment has."""
    first, last = ([each.secret for each in new if each.is_last is is_last] for is_last in (False, True))
    return ",".join([*first, *known, *last])


def fingerprint(secret: str) -> str:
    """What tells two secrets apart and gives neither away."""
    return sha256(b"countinghouse webhook secret " + secret.encode()).hexdigest()[:16]


def _create(places: Receivers, url: str, new: list[NewSecret]) -> None:
    new.append(places.create(url, {**MANAGED, STATE: UNREAD}))


def _keep(places: Receivers, current: Receiver, known: Sequence[str]) -> Step:
    missing = sorted(set(places.wanted) - set(current.events))
    surplus = sorted(set(current.events) - set(places.wanted))
    detail = differences([("status", _status(current), "enabled")])
    if missing or surplus:
        words = [*(f"+{each}" for each in missing), *(f"-{each}" for each in surplus)]
        detail = "; ".join(filter(None, [detail, f"events {' '.join(words)}"]))
    step = changed(places.kind, current.url, detail, partial(places.mend, current))
    if step.is_change or current.is_known(known):
        return step
    problem = f"STRIPE_WEBHOOK_SECRET does not hold the secret of {current.id}"
    return Step(Action.KEEP, step.kind, step.name, problem, problem=problem)


def _status(there: Receiver) -> str:
    return "enabled" if there.is_enabled else "disabled"


def _let_go(places: Receivers, old: Receiver, current: Receiver | None, known: Sequence[str]) -> Step:
    """The step of a place at our address that is not the current one."""
    disable = partial(places.disable, old)
    if old.is_unread:
        return Step(Action.ARCHIVE, places.kind, old.url, f"{old.id}: its secret was lost", disable)
    if current is not None and current.is_known(known):
        detail = f"{old.label}; its secret can leave STRIPE_WEBHOOK_SECRET"
        return Step(Action.ARCHIVE, places.kind, old.url, detail, disable)
    problem = f"{old.label}; stays until STRIPE_WEBHOOK_SECRET holds the secret of the new one"
    return Step(Action.KEEP, places.kind, old.url, problem, problem=problem)
