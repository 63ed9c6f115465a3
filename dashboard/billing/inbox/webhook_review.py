"""The webhook inbox as staff see it: events by state, type and tenant, one with its payload, and what was noted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput, NotFound
from dashboard.models import StripeEvent, StripeEventState, Tenant

PAGE = 50
NOTES = timedelta(days=7)
_COLUMNS = (
    StripeEvent.id,
    StripeEvent.type,
    StripeEvent.object_id,
    StripeEvent.customer_id,
    StripeEvent.state,
    StripeEvent.attempts,
    StripeEvent.source,
    StripeEvent.note,
    StripeEvent.created_at,
    StripeEvent.received_at,
    StripeEvent.next_attempt_at,
    StripeEvent.processed_at,
)
UNSETTLED = (StripeEventState.WAITING, StripeEventState.FAILED)


@dataclass(frozen=True, slots=True)
class EventView:
    """One event without its payload, and the tenant whose customer it names."""

    id: str
    type: str
    object_id: str | None
    customer_id: str | None
    state: str
    attempts: int
    source: str
    note: str | None
    created_at: datetime
    received_at: datetime
    next_attempt_at: datetime
    processed_at: datetime | None
    tenant: Tenant | None

    @property
    def state_label(self) -> str:
        """The state in a word or two."""
        return {"pending": "In process", "waiting": "Customer unknown"}.get(self.state, self.state.capitalize())


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list; None means any."""

    state: StripeEventState | None = None
    type: str | None = None
    tenant_id: int | None = None

    @classmethod
    def read(cls, state: str | None, event_type: str | None, tenant: str | None) -> EventFilter:
        """From what a form sends; empty means any.

        Raises `InvalidInput`.
        """
        if state and state not in set(StripeEventState):
            raise InvalidInput("state", f"must be one of {', '.join(StripeEventState)}")
        if tenant and not (tenant.isascii() and tenant.isdigit() and int(tenant) < 2**63):
            raise InvalidInput("tenant", "must be the number of a tenant")
        if event_type and not event_type.isprintable():
            raise InvalidInput("type", "must be the beginning of an event type, such as invoice.")
        return cls(StripeEventState(state) if state else None, event_type or None, int(tenant) if tenant else None)


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events, the newest first, and where the next page begins (None: there is none)."""

    events: list[EventView]
    next_before: str | None


def list_events(session: Session, wanted: EventFilter, *, before: str | None = None) -> EventPage:
    """The events that fit, received before the event `before`: those whose payload is kept, or that are unsettled."""
    query = select(*_COLUMNS).order_by(StripeEvent.received_at.desc(), StripeEvent.id.desc()).limit(PAGE + 1)
    if wanted.state in UNSETTLED:
        # In these words, so that the small index of what is unsettled serves.
        query = query.where(StripeEvent.state.in_(UNSETTLED), StripeEvent.state == wanted.state)
    else:
        query = query.where(StripeEvent.payload.is_not(None))
        if wanted.state:
            query = query.where(StripeEvent.state == wanted.state)
    if wanted.type:
        query = query.where(StripeEvent.type.startswith(wanted.type, autoescape=True))
    if wanted.tenant_id is not None:
        customer = session.scalar(select(Tenant.stripe_customer_id).where(Tenant.id == wanted.tenant_id))
        query = query.where(StripeEvent.customer_id == (customer or ""))
    if before and before.isprintable():
        last = session.execute(select(StripeEvent.received_at, StripeEvent.id).where(StripeEvent.id == before)).first()
        if last is not None:
            bound = (StripeEvent.received_at < last.received_at) | (
                (StripeEvent.received_at == last.received_at) & (StripeEvent.id < last.id)
            )
            query = query.where(StripeEvent.received_at <= last.received_at, bound)
    rows = session.execute(query).all()
    views = _views(session, [row._asdict() for row in rows[:PAGE]])
    return EventPage(views, views[-1].id if len(rows) > PAGE else None)


@dataclass(frozen=True, slots=True)
class EventDetail:
    """One event with its payload (None: pruned) and the traceback of its last failure."""

    event: EventView
    payload: dict[str, Any] | None
    error: str | None
    subject: str | None


def find_event(session: Session, event_id: str) -> EventDetail:
    """One event.

    Raises `NotFound`.
    """
    event = session.get(StripeEvent, event_id)
    if event is None:
        raise NotFound(f"no Stripe event {event_id}")
    (view,) = _views(session, [{column.key: getattr(event, column.key) for column in _COLUMNS}])
    return EventDetail(view, event.payload, event.error, event.subject)


@dataclass(frozen=True, slots=True)
class Note:
    """Something about events of the last days that staff should know, how often, and when last."""

    text: str
    events: int
    last_at: datetime


def list_notes(session: Session, now: datetime) -> list[Note]:
    """What was noted about events in the last seven days, such as another API version."""
    rows = session.execute(
        select(StripeEvent.note, func.count().label("events"), func.max(StripeEvent.received_at).label("last_at"))
        .where(StripeEvent.note.is_not(None), StripeEvent.received_at > now - NOTES)
        .group_by(StripeEvent.note)
        .order_by(func.max(StripeEvent.received_at).desc())
    )
    return [Note(str(row.note), row.events, row.last_at) for row in rows]


def _views(session: Session, rows: Iterable[dict[str, Any]]) -> list[EventView]:
    found = list(rows)
    customers = {row["customer_id"] for row in found if row["customer_id"]}
    tenants = session.scalars(select(Tenant).where(Tenant.stripe_customer_id.in_(customers))) if customers else ()
    by_customer = {tenant.stripe_customer_id: tenant for tenant in tenants}
    return [EventView(**row, tenant=by_customer.get(row["customer_id"])) for row in found]
