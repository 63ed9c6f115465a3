"""Steps that the tests of metering share: a sender that keeps what it got, and the whole way of one send."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing import metering
from dashboard.billing.metering import Outage, Sent
from dashboard.billing.ports.meters import EventToSend
from dashboard.billing.ports.providers import ProviderRefused
from dashboard.models import BillingProposal, MeterEvent, Tenant, UsageRollup
from tests.factories import NOON


class RecordingSender:
    """A meter sender that keeps what it was given, and answers or fails as it is told."""

    def __init__(self, *outcomes: bool | Exception, most: int = 1, refuses: Sequence[str] = ()) -> None:
        self.most = most
        self.outcomes = list(outcomes)
        self.refuses = set(refuses)
        self.calls: list[list[EventToSend]] = []
        self.canceled: list[str] = []
        self._lock = threading.Lock()

    @property
    def sent(self) -> list[EventToSend]:
        return [event for call in self.calls for event in call]

    def send(self, events: Sequence[EventToSend]) -> list[bool]:
        with self._lock:
            outcome = self.outcomes.pop(0) if self.outcomes else True
            if isinstance(outcome, Exception):
                raise outcome
            if any(event.identifier in self.refuses for event in events):
                raise ProviderRefused("one of them is wrong", code="archived_meter")
            self.calls.append(list(events))
            return [outcome] * len(events)

    def cancel(self, event_name: str, identifier: str) -> None:
        outcome = self.outcomes.pop(0) if self.outcomes else True
        if isinstance(outcome, Exception):
            raise outcome
        self.canceled.append(identifier)


class NoWait:
    """A pace without any waiting; it keeps what was asked of it."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.held: list[float] = []
        self.waited: list[float] = []

    def take(self, count: int) -> None:
        self.taken.append(count)

    def hold(self, seconds: float) -> None:
        self.held.append(seconds)

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)


def claim(session: Session, tenant: Tenant, now: datetime = NOON) -> int:
    return metering.claim_meter_events(session, tenant.id, now)


def send(session: Session, tenant: Tenant, sender: RecordingSender, now: datetime = NOON) -> Sent:
    """Send what is pending of a tenant, as the worker does."""
    events = metering.take_pending(session, [tenant.id], now, each=50, most=500)
    with ThreadPoolExecutor(1) as pool:
        done = metering.deliver(events, sender, NoWait(), pool, Outage())
    metering.mark_outcomes(session, done.outcomes, now)
    known = {outcome.event.id for outcome in done.outcomes} | {event.id for event in done.uncertain}
    metering.mark_untried(session, [event for event in events if event.id not in known], now)
    return metering.summarize(done)


def events_of(session: Session, tenant: Tenant) -> list[MeterEvent]:
    rows = select(MeterEvent).where(MeterEvent.tenant_id == tenant.id).order_by(MeterEvent.id)
    return list(session.scalars(rows.execution_options(populate_existing=True)))


def proposals_of(session: Session, tenant: Tenant) -> list[BillingProposal]:
    rows = select(BillingProposal).where(BillingProposal.tenant_id == tenant.id).order_by(BillingProposal.id)
    return list(session.scalars(rows.execution_options(populate_existing=True)))


def rollup_of(session: Session, tenant: Tenant, usage_type: str = "SMS_SENT") -> UsageRollup:
    """The tenant's only rollup of a type."""
    rows = select(UsageRollup).where(UsageRollup.tenant_id == tenant.id, UsageRollup.usage_type == usage_type)
    return session.scalars(rows.execution_options(populate_existing=True)).one()
