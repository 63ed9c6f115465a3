"""A step of the set-up: what it would do to which object, and the call that does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import stripe
from stripe.billing import Meter

# On everything the set-up makes: only what carries it is ever archived.
MANAGED = {"managed_by": "countinghouse"}


class Action(StrEnum):
    """What a step does. Nothing is ever deleted at Stripe."""

    CREATE = "create"
    CHANGE = "change"
    ARCHIVE = "archive"
    KEEP = "keep"


class SetupImpossible(Exception):
    """The catalogue asks for what Stripe cannot do to an object that is there; the message says what to do instead."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `detail` says what differs; `run` is None where nothing is to be done.

    `problem` is what `verify` finds wrong although no call to Stripe mends it.
    """

    action: Action
    kind: str
    name: str
    detail: str = ""
    run: Callable[[], object] | None = None
    problem: str = ""

    @property
    def is_change(self) -> bool:
        """Whether it does anything."""
        return self.action is not Action.KEEP


@dataclass(slots=True)
class Found:
    """Ids and objects by our names: known from the start where they were there, else filled in by the steps."""

    meters: dict[str, Meter] = field(default_factory=dict)
    features: dict[str, str] = field(default_factory=dict)
    prices: dict[str, stripe.Price] = field(default_factory=dict)


def changed(kind: str, name: str, detail: str, run: Callable[[], object]) -> Step:
    """A change where something differs, else a step that keeps what is there."""
    return Step(Action.CHANGE, kind, name, detail, run) if detail else Step(Action.KEEP, kind, name)


def is_managed(metadata: object) -> bool:
    """Whether the set-up made the object with this metadata."""
    values = metadata.to_dict() if isinstance(metadata, stripe.StripeObject) else {}
    return MANAGED.items() <= values.items()


def differences(pairs: Iterable[tuple[str, object, object]]) -> str:
    """ "name: old -> new" for each field (name, as it is, as it is wanted) that differs; empty where none does."""
    return "; ".join(f"{name}: {_show(old)} -> {_show(new)}" for name, old, new in pairs if old != new)


def _show(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return "none" if value in (None, "") else str(value)
