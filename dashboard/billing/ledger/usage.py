"""`record_usage()`: the one way into the ledger. Row and rollup are one statement, so they cannot disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard.billing.errors import AlreadyCorrected, IdempotencyConflict, InvalidInput, NotFound
from dashboard.billing.ledger.corrections import check_corrections
from dashboard.billing.ledger.usage_input import UsageInput
from dashboard.billing.ledger.usage_statement import ONE_TENANT, SEVERAL_TENANTS
from dashboard.database import lock_object, share_objects
from dashboard.models import UsageEvent

Refusal = InvalidInput | IdempotencyConflict | AlreadyCorrected


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """What became of one usage event: its ledger id, and whether this call wrote it."""

    id: int
    idempotency_key: str
    is_new: bool


def record_usage(session: Session, tenant_id: int, event: UsageInput, *, source: str, now: datetime) -> Recorded:
    """Record one usage event. See `record_usages`."""
    return record_usages(session, tenant_id, [event], source=source, now=now)[0]


def record_usages(
    session: Session, tenant_id: int, events: Sequence[UsageInput], *, source: str, now: datetime
) -> list[Recorded]:
    """Append events to the ledger and add them to the rollups, all or none; repeated keys change nothing.

    Answers one `Recorded` for each event, in order. `source` says which service reported it, `now` (aware UTC)
    is the time of record. Nothing is stored unless the caller commits; after an error the caller rolls back.

    Raises `NotFound` (no such tenant), `IdempotencyConflict` (a key with another body), `InvalidInput`
    (a correction of nothing), `AlreadyCorrected`.
    """
    outcomes = record_each(session, tenant_id, events, source=source, now=now)
    recorded = [outcome for outcome in outcomes if isinstance(outcome, Recorded)]
    if len(recorded) < len(outcomes):
        raise next(outcome for outcome in outcomes if not isinstance(outcome, Recorded))
    return recorded


def record_each(
    session: Session, tenant_id: int, events: Sequence[UsageInput], *, source: str, now: datetime
) -> list[Recorded | Refusal]:
    """The same, each event for itself: a refused one is answered with its reason and the others are recorded.

    Raises `NotFound` (no such tenant).
    """
    return record_groups(session, {tenant_id: events}, source=source, now=now)[tenant_id]


def record_groups(
    session: Session, groups: Mapping[int, Sequence[UsageInput]], *, source: str, now: datetime
) -> dict[int, list[Recorded | Refusal]]:
    """The same for events of several tenants at once: `groups` and the answer are by tenant id.

    Raises `NotFound` (one of the tenants does not exist).
    """
    # Every writer of a tenant's buckets shares this lock, in a statement of its own: the next statement then sees all
    # period boundaries there are, and `rollups.rebucket` (which holds it alone) sees all rows.
    share_objects(session, [("usage-of", tenant_id) for tenant_id in sorted(groups)])
    # A correction takes two unique values, its key and its original. Rows go in by key, so two batches that correct the
    # same events in another order would each wait for the other: one at a time.
    for tenant_id in sorted(groups):
        if any(event.corrects_id is not None for event in groups[tenant_id]):
            lock_object(session, "corrections-of", tenant_id)
    checked = {tenant_id: _Group(session, tenant_id, events) for tenant_id, events in groups.items()}
    writable = {tenant_id: group.writable for tenant_id, group in checked.items() if group.writable}
    new = _write(session, writable, source, now)
    return {tenant_id: group.outcomes(session, new.get(tenant_id, {})) for tenant_id, group in checked.items()}


class _Group:
    """The events of one tenant on their way in: which may be written, and what becomes of each."""

    def __init__(self, session: Session, tenant_id: int, events: Sequence[UsageInput]) -> None:
        self._tenant_id, self._events = tenant_id, events
        self._refused: dict[int, Refusal] = {}
        self._distinct = self._first_of_each_key()
        checked = check_corrections(session, tenant_id, self._distinct, self._refused)
        self.writable = list(checked.values())

    def _first_of_each_key(self) -> dict[str, tuple[int, UsageInput]]:
        """The first event of each key, with its place; another body under the same key is refused."""
        distinct: dict[str, tuple[int, UsageInput]] = {}
        for position, event in enumerate(self._events):
            _, first = distinct.setdefault(event.idempotency_key, (position, event))
            if first is not event and first.fingerprint != event.fingerprint:
                self._refused[position] = IdempotencyConflict(event.idempotency_key)
        return distinct

    def outcomes(self, session: Session, new: dict[str, int]) -> list[Recorded | Refusal]:
        """What became of each event; `new` holds the ids of the rows just written, by key."""
        if len(new) == len(self._events):
            return [Recorded(new[event.idempotency_key], event.idempotency_key, True) for event in self._events]
        known = _known(session, self._tenant_id, [key for key in self._distinct if key not in new])
        answer: list[Recorded | Refusal] = []
        for position, event in enumerate(self._events):
            key = event.idempotency_key
            if position in self._refused and key not in known:
                answer.append(self._refused[position])
            elif key in new:
                answer.append(Recorded(new[key], key, self._distinct[key][0] == position))
            elif key in known:
                id_, print_ = known[key]
                same = print_ == event.fingerprint
                answer.append(Recorded(id_, key, is_new=False) if same else IdempotencyConflict(key))
            else:
                # The same body as one before it in the batch, which was refused. Should that not be so, the database
                # skipped a second correction of one event without a trace.
                first = self._refused.get(self._distinct[key][0])
                answer.append(first or AlreadyCorrected(event.corrects_id or 0))
        return answer


def _write(
    session: Session, groups: Mapping[int, list[UsageInput]], source: str, now: datetime
) -> dict[int, dict[str, int]]:
    """Write the rows whose keys are new: their ids by tenant and key."""
    if not groups:
        return {}
    parameters: dict[str, object] = {"source": source, "now": now}
    statement = SEVERAL_TENANTS
    if len(groups) == 1:
        ((tenant_id, events),) = groups.items()
        statement = ONE_TENANT
        parameters |= {"tenant_id": tenant_id, "events": msgspec.json.encode(events).decode()}
    else:
        listed = [{"tenant_id": tenant_id, "events": events} for tenant_id, events in groups.items()]
        parameters["groups"] = msgspec.json.encode(listed).decode()
    new: dict[int, dict[str, int]] = {tenant_id: {} for tenant_id in groups}
    try:
        for tenant_id, id_, key in session.execute(statement, parameters).all():
            new[tenant_id][key] = id_
    except IntegrityError as error:
        # Foreign key: the rollups' tenant. The ledger's own rows have none (see docs/decisions/0009).
        if getattr(error.orig, "sqlstate", None) == "23503":
            raise NotFound(f"no tenant {', '.join(map(str, groups))}") from error
        raise
    return new


def _known(session: Session, tenant_id: int, keys: list[str]) -> dict[str, tuple[int, bytes]]:
    """What stands in the ledger under these keys already: id and fingerprint."""
    if not keys:
        return {}
    rows = session.execute(
        select(UsageEvent.idempotency_key, UsageEvent.id, UsageEvent.fingerprint).where(
            UsageEvent.tenant_id == tenant_id, UsageEvent.idempotency_key.in_(keys)
        )
    )
    return {key: (id_, bytes(print_)) for key, id_, print_ in rows}
