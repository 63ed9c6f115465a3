"""A batch of due events: each object behind them is fetched once, several at a time, and overwrites our copy.

The object's lock is held from before the fetch to the commit: else an older fetch could overwrite a newer one. The
locks belong to the connection that writes, so they cannot be lost while it still can (docs/decisions/0028).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from dashboard.billing.inbox import webhook_queue
from dashboard.billing.inbox.webhook_queue import DueEvent
from dashboard.billing.mirror.mirror import Mirror, hold_mirrors
from dashboard.billing.plans.plans import PricePins
from dashboard.billing.ports.providers import BillingProvider, CustomerFacts, ProviderUnavailable
from dashboard.database import holding_objects
from dashboard.integrations.stripe.families.customers import CUSTOMER
from dashboard.integrations.stripe.families.entitlements import ENTITLEMENTS
from dashboard.integrations.stripe.handlers import KINDS, POINTERS
from dashboard.integrations.stripe.subjects import Context, Fetch, Kind, Outcome, Subject
from dashboard.models import StripeEventState

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tools:
    """What a batch works with: `now` answers the present moment, `pool` runs the fetches."""

    provider: BillingProvider
    pins: PricePins
    now: Callable[[], datetime]
    pool: Executor


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of asking Stripe: facts (None: no such object), or the error with its traceback, or neither.

    Neither means that Stripe could not be reached for another object meanwhile, so this one was not asked for.
    """

    facts: Any = None
    error: str | None = None
    is_skipped: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """One object, what was fetched, and the events that it settles."""

    subject: Subject
    fetched: Fetched
    events: tuple[DueEvent, ...]

    @property
    def kind(self) -> Kind:
        """What kind of object it is."""
        return KINDS[self.subject.kind]

    @property
    def customer_id(self) -> str | None:
        """Whose it is, as far as it tells."""
        if self.subject.kind in {CUSTOMER.name, ENTITLEMENTS.name}:
            return self.subject.id
        return getattr(self.fetched.facts, "customer_id", None)


def settle_due_events(connection: Connection, tools: Tools, *, limit: int) -> int:
    """Work off up to `limit` due events, and those that wait about the same objects; answers how many are settled.

    0 means that nothing is due, that Stripe cannot be reached, or that another worker has the rest in hand.
    """
    with Session(bind=connection) as session:
        due = webhook_queue.list_due_events(session, tools.now(), limit=limit)
    if not due:
        return 0
    targets = _targets(connection, tools, due)
    with holding_objects(connection, [("stripe", subject.id) for subject in targets]) as held:
        mine = {subject: texts for subject, texts in targets.items() if ("stripe", subject.id) in held}
        with Session(bind=connection) as session:
            waiting = webhook_queue.list_pending_of(session, [text for texts in mine.values() for text in texts])
            plans = _plan(session, mine, waiting)
        works = _fetch_all(tools, plans)
        return sum(_apply(connection, tools, group) for group in _groups(works))


def _targets(connection: Connection, tools: Tools, due: Sequence[DueEvent]) -> dict[Subject, set[str]]:
    """The objects to fetch, each with the subjects of events that lead to it. What leads nowhere is settled here."""
    subjects = {event.subject: Subject.parse(event.subject) for event in due}
    targets: dict[Subject, set[str]] = {}
    followed = {text: subject for text, subject in subjects.items() if subject.kind in POINTERS}
    for text, subject in subjects.items():
        if text not in followed:
            targets.setdefault(subject, set()).add(text)
    ask = {each: partial(POINTERS[each.kind].follow, tools.provider, each.id) for each in followed.values()}
    for subject, answer in _ask_all(tools.pool, ask).items():
        if isinstance(answer.facts, Subject):
            targets.setdefault(answer.facts, set()).add(str(subject))
        elif not answer.is_skipped:
            _settle_pointer(connection, tools, [event for event in due if event.subject == str(subject)], answer)
    return targets


def _settle_pointer(connection: Connection, tools: Tools, events: Sequence[DueEvent], answer: Fetched) -> None:
    with Session(bind=connection) as session:
        if answer.error:
            webhook_queue.mark_attempts_failed(session, events, answer.error, tools.now())
        else:
            ids = [event.id for event in events]
            webhook_queue.mark_settled(session, ids, StripeEventState.IGNORED, tools.now())
        session.commit()


@dataclass(frozen=True, slots=True)
class Planned:
    """How an object is fetched, and the events that it will settle."""

    fetch: Fetch
    events: tuple[DueEvent, ...]


def _plan(session: Session, targets: dict[Subject, set[str]], waiting: Sequence[DueEvent]) -> dict[Subject, Planned]:
    """How to fetch each object about which events wait: another worker may have settled them before we held it."""
    by_subject: dict[str, list[DueEvent]] = {}
    for event in waiting:
        by_subject.setdefault(event.subject, []).append(event)
    about = {s: tuple(e for text in sorted(texts) for e in by_subject.get(text, ())) for s, texts in targets.items()}
    plans: dict[Subject, Planned] = {}
    for name in {subject.kind for subject in about}:
        events = {subject.id: found for subject, found in about.items() if found and subject.kind == name}
        fetches = KINDS[name].plan(session, {each: {event.type for event in events[each]} for each in events})
        plans |= {Subject(name, each): Planned(fetch, events[each]) for each, fetch in fetches.items()}
    return plans


def _fetch_all(tools: Tools, plans: dict[Subject, Planned]) -> list[Work]:
    ask = {subject: partial(planned.fetch, tools.provider) for subject, planned in plans.items()}
    return [Work(subject, answer, plans[subject].events) for subject, answer in _ask_all(tools.pool, ask).items()]


def _ask_all(pool: Executor, asks: Mapping[Subject, Callable[[], Any]]) -> dict[Subject, Fetched]:
    """Ask Stripe for each, several at a time. Once it cannot be reached, the rest is not asked for."""
    is_away = False

    def ask(call: Callable[[], Any]) -> Fetched:
        nonlocal is_away
        if is_away:
            return Fetched(is_skipped=True)
        try:
            return Fetched(call())
        except ProviderUnavailable:
            is_away = True
            return Fetched(error=traceback.format_exc())
        except Exception:
            return Fetched(error=traceback.format_exc())

    return dict(zip(asks, pool.map(ask, asks.values()), strict=True))


def _groups(works: Iterable[Work]) -> list[list[Work]]:
    """What is written in one transaction: nearly all of it, and what asks Stripe meanwhile by itself, afterwards."""
    ready = sorted(
        (work for work in works if not work.fetched.is_skipped),
        key=lambda work: (work.kind.order, work.kind.name, work.subject.id),
    )
    together = [work for work in ready if not work.kind.is_alone]
    return [each for each in (together, *([work] for work in ready if work.kind.is_alone)) if each]


def _apply(connection: Connection, tools: Tools, group: Sequence[Work]) -> int:
    """Write a group in one transaction; should that fail, half of it in each of two, down to the one that fails.

    Answers how many events are settled.
    """
    try:
        with Session(bind=connection) as session:
            settled = _apply_together(session, tools, group)
            session.commit()
            return settled
    except Exception:
        if len(group) > 1:
            half = len(group) // 2
            return _apply(connection, tools, group[:half]) + _apply(connection, tools, group[half:])
        error = traceback.format_exc()
        log.warning("stripe object not synced", subject=str(group[0].subject), exc_info=True)
        with Session(bind=connection) as session:
            webhook_queue.mark_attempts_failed(session, group[0].events, error, tools.now())
            session.commit()
        return 0


def _apply_together(session: Session, tools: Tools, group: Sequence[Work]) -> int:
    now = tools.now()
    for work in group:
        if work.fetched.error is not None:
            log.warning("stripe object not fetched", subject=str(work.subject), error=work.fetched.error)
            webhook_queue.mark_attempts_failed(session, work.events, work.fetched.error, now)
    fetched = [work for work in group if work.fetched.error is None]
    context = Context(session, tools.provider, tools.pins, now, _hold(session, fetched, now))
    settled: dict[Outcome, list[str]] = {}
    for kind, works in groupby(fetched, key=lambda work: work.kind):
        found = {work.subject.id: work for work in works}
        outcomes = kind.apply(context, {each: work.fetched.facts for each, work in found.items()})
        for each, work in found.items():
            settled.setdefault(outcomes[each], []).extend(event.id for event in work.events)
    context.mirror.finish()
    for outcome, ids in settled.items():
        webhook_queue.mark_settled(session, ids, outcome.state, now, outcome.customer_id)
    return sum(map(len, settled.values()))


def _hold(session: Session, works: Sequence[Work], now: datetime) -> Mirror:
    """Every tenant that the objects are of, or name: all are held before the first is written."""
    together = [work for work in works if not work.kind.is_alone]
    customers = {work.customer_id for work in together if work.customer_id}
    named = {work.fetched.facts.tenant_id for work in together if isinstance(work.fetched.facts, CustomerFacts)}
    return hold_mirrors(session, customers, now, named={each for each in named if each is not None})
