"""What an event is about: the object that is fetched for it, and how such an object overwrites our copy.

An event's own object cannot always be fetched by its id, or is a part of another that we mirror whole. So each row of
the table in `handlers` says where in the event the id of the object to fetch stands, and of what kind it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from dashboard.billing.plans import PricePins
from dashboard.billing.ports import BillingProvider
from dashboard.models import StripeEventState

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What every sync works with."""

    session: Session
    provider: BillingProvider
    pins: PricePins
    now: datetime


@dataclass(frozen=True, slots=True)
class Subject:
    """One object at Stripe: its kind's name and its id."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"

    @classmethod
    def parse(cls, text: str) -> Subject:
        """The subject that `str()` wrote."""
        kind, _, object_id = text.partition(":")
        return cls(kind, object_id)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the events about one object; events that wait name the customer they wait for."""

    state: StripeEventState
    customer_id: str | None = None


PROCESSED = Outcome(StripeEventState.PROCESSED)
IGNORED = Outcome(StripeEventState.IGNORED)


def waits_for(customer_id: str) -> Outcome:
    """The customer is none of our tenants (yet)."""
    return Outcome(StripeEventState.WAITING, customer_id)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object that is fetched whole and overwrites our copy.

    `fetch` answers the facts, or None when Stripe has no such object; it is called in threads, outside any transaction.
    `apply` writes them. Objects of a lower `order` are written first: a customer is tied before its invoices come.
    """

    name: str
    order: int
    fetch: Callable[[BillingProvider, str], Any]
    apply: Callable[[Context, str, Any], Outcome]


@dataclass(frozen=True, slots=True)
class Pointer:
    """A kind of object that is not mirrored and leads to one that is. `follow` is called like `fetch`."""

    name: str
    follow: Callable[[BillingProvider, str], Subject | None]


Find = Callable[[Event], Subject | None]


def object_of(event: Event) -> Mapping[str, Any]:
    """The object in a snapshot event as it was then; empty for a thin event."""
    data = event.get("data")
    found = data.get("object") if isinstance(data, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def id_in(holder: Mapping[str, Any], field: str) -> str | None:
    """The id that a field holds, as text or within an expanded object."""
    value = holder.get(field)
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) and value else None


def at(kind: Kind | Pointer, *fields: str) -> Find:
    """The object of this kind whose id stands in the first of these fields that holds one."""

    def find(event: Event) -> Subject | None:
        holder = object_of(event)
        for field in fields:
            object_id = id_in(holder, field)
            if object_id:
                return Subject(kind.name, object_id)
        return None

    return find


def itself(kind: Kind | Pointer) -> Find:
    """The event's own object."""
    return at(kind, "id")


def first(*finds: Find) -> Find:
    """The first of these that finds something."""

    def find(event: Event) -> Subject | None:
        return next((found for each in finds if (found := each(event)) is not None), None)

    return find


def nothing(_: Event) -> Subject | None:
    """Nothing is fetched: the event is kept as ignored."""
    return None
