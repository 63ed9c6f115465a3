"""What an event is about: the object that is fetched for it, and how such an object overwrites our copy.

An event's own object cannot always be fetched by its id, or is a part of another that we mirror whole. So each row of
the table in `handlers` says where in the event the id of the object to fetch stands, and of what kind it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from dashboard.billing.mirror.mirror import Mirror
from dashboard.billing.plans.plans import PricePins
from dashboard.billing.ports.providers import BillingProvider
from dashboard.models import StripeEventState

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What every sync works with. `mirror` holds the tenants of every customer that the objects in hand name."""

    session: Session
    provider: BillingProvider
    pins: PricePins
    now: datetime
    mirror: Mirror


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


Fetch = Callable[[BillingProvider], Any]
# Ids of objects of one kind, each with the types of the events that led to it.
Wanted = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object that is fetched whole and overwrites our copy.

    `plan` answers how to fetch each: the fetch answers the facts, or None when Stripe has no such object, and is called
    in threads, outside any transaction. `apply` writes the facts of several, by id, and answers what became of each.
    Objects of a lower `order` are written first: a customer is tied before its invoices come. One that `is_alone` is
    written in a transaction of its own, because writing it asks Stripe again.
    """

    name: str
    order: int
    plan: Callable[[Session, Wanted], Mapping[str, Fetch]]
    apply: Callable[[Context, Mapping[str, Any]], Mapping[str, Outcome]]
    is_alone: bool = False


def fetch_each(
    fetch: Callable[[BillingProvider, str], Any],
) -> Callable[[Session, Wanted], Mapping[str, Fetch]]:
    """The plan where one call by id does for each."""
    return lambda _, wanted: {each: partial(_by_id, fetch, each) for each in wanted}


def _by_id(fetch: Callable[[BillingProvider, str], Any], object_id: str, provider: BillingProvider) -> Any:
    return fetch(provider, object_id)


def apply_each(
    apply: Callable[[Context, str, Any], Outcome],
) -> Callable[[Context, Mapping[str, Any]], Mapping[str, Outcome]]:
    """Writing one by one, for kinds of which there are few."""
    return lambda context, found: {each: apply(context, each, facts) for each, facts in found.items()}


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
