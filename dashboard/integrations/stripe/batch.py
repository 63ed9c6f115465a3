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
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from dashboard.billing import webhook_queue
from dashboard.billing.plans import PricePins
from dashboard.billing.ports import BillingProvider, ProviderUnavailable
from dashboard.billing.webhook_queue import DueEvent
from dashboard.database import holding_objects
from dashboard.integrations.stripe.handlers import KINDS, POINTERS
from dashboard.integrations.stripe.subjects import Context, Outcome, Subject
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
    def owner(self) -> str:
        """Whose it is: what belongs to one customer is written in one transaction."""
        facts = self.fetched.facts
        customer = getattr(facts, "customer_id", None)
        return customer or (self.subject.id if self.subject.kind == "customer" else str(self.subject))


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
        works = _fetch_all(tools, mine, waiting)
        settled = 0
        for group in _by_owner(works):
            settled += _apply(connection, tools, group)
        return settled


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


def _fetch_all(tools: Tools, targets: dict[Subject, set[str]], waiting: Sequence[DueEvent]) -> list[Work]:
    events: dict[str, list[DueEvent]] = {}
    for event in waiting:
        events.setdefault(event.subject, []).append(event)
    # Another worker may have settled all of an object's events before we held it.
    about = {s: tuple(e for text in sorted(texts) for e in events.get(text, ())) for s, texts in targets.items()}
    ask = {each: partial(KINDS[each.kind].fetch, tools.provider, each.id) for each, found in about.items() if found}
    return [Work(subject, answer, about[subject]) for subject, answer in _ask_all(tools.pool, ask).items()]


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


def _by_owner(works: Iterable[Work]) -> list[list[Work]]:
    """What is to be written together, customers before what hangs on them."""
    groups: dict[str, list[Work]] = {}
    for work in sorted(works, key=lambda work: (KINDS[work.subject.kind].order, work.subject.id)):
        if not work.fetched.is_skipped:
            groups.setdefault(work.owner, []).append(work)
    return list(groups.values())


def _apply(connection: Connection, tools: Tools, group: Sequence[Work]) -> int:
    """Write a group in one transaction; should that fail, each in its own. Answers how many events are settled."""
    try:
        with Session(bind=connection) as session:
            settled = _apply_together(session, tools, group)
            session.commit()
            return settled
    except Exception:
        if len(group) > 1:
            return sum(_apply(connection, tools, [work]) for work in group)
        error = traceback.format_exc()
        log.warning("stripe object not synced", subject=str(group[0].subject), exc_info=True)
        with Session(bind=connection) as session:
            webhook_queue.mark_attempts_failed(session, group[0].events, error, tools.now())
            session.commit()
        return 0


def _apply_together(session: Session, tools: Tools, group: Sequence[Work]) -> int:
    now = tools.now()
    context = Context(session, tools.provider, tools.pins, now)
    settled: dict[Outcome, list[str]] = {}
    for work in group:
        if work.fetched.error is not None:
            log.warning("stripe object not fetched", subject=str(work.subject), error=work.fetched.error)
            webhook_queue.mark_attempts_failed(session, work.events, work.fetched.error, now)
            continue
        outcome = KINDS[work.subject.kind].apply(context, work.subject.id, work.fetched.facts)
        settled.setdefault(outcome, []).extend(event.id for event in work.events)
    for outcome, ids in settled.items():
        webhook_queue.mark_settled(session, ids, outcome.state, now, outcome.customer_id)
    return sum(map(len, settled.values()))
