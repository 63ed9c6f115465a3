"""Keeping what was found: a check for each usage type of a period, and findings that are the same row next time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from dashboard.billing.mirror.mirror_rows import upsert_rows
from dashboard.billing.reconciliation.comparison import Comparison
from dashboard.billing.reconciliation.parts import BY_PROPOSAL, Difference, Subject, hour_of
from dashboard.models import FindingState, ReconciliationCheck, ReconciliationFinding

CHANGING = ("repair", "expected", "found")


Compared = Sequence[tuple[Subject, Comparison]]


@dataclass(frozen=True, slots=True)
class Kept:
    """What the findings of a period are by now: how many are new, or there again, and the ids of those that are open,
    in the order they were found.
    """

    new: int
    open_ids: tuple[int, ...]


def store_checks(session: Session, tenant_id: int, compared: Compared, *, verified_at: datetime, now: datetime) -> None:
    """Overwrite the checks of one period."""
    rows = [_check(tenant_id, subject, comparison, verified_at, now) for subject, comparison in compared]
    upsert_rows(session, ReconciliationCheck, rows)


def _check(
    tenant_id: int, subject: Subject, comparison: Comparison, verified_at: datetime, now: datetime
) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "period_start": subject.start,
        "usage_type": subject.usage_type,
        "period_end": subject.end,
        "ledger": comparison.ledger,
        "events": comparison.events,
        "told": comparison.told,
        "summary": comparison.summary,
        "invoiced": subject.billed.quantity if subject.billed else None,
        "proposed": subject.proposed,
        "invoice_id": subject.billed.invoice_id if subject.billed else None,
        "state": str(comparison.state),
        "reason": comparison.reason,
        "checked_at": now,
        "verified_at": verified_at,
    }


def store_findings(
    session: Session, tenant_id: int, compared: Compared, *, settled_by: datetime, now: datetime
) -> Kept:
    """Bring the findings of one period up to date.

    One that was repaired is open again only where the repair had time to show.
    """
    known = _known(session, tenant_id, compared)
    new = sum(_store(session, tenant_id, *each, known, settled_by, now) for each in compared)
    session.flush()
    return Kept(new, tuple(sorted(row.id for row in known.values() if row.state == FindingState.OPEN)))


def _store(
    session: Session,
    tenant_id: int,
    subject: Subject,
    comparison: Comparison,
    known: dict[str, ReconciliationFinding],
    settled_by: datetime,
    now: datetime,
) -> int:
    """Adds the rows that are new to `known`; answers how many are new, or there again."""
    new = 0
    for difference in comparison.differences:
        row = known.get(difference.key)
        if row is None:
            known[difference.key] = _new(tenant_id, subject, difference, now)
            session.add(known[difference.key])
            new += 1
            continue
        if row.state == FindingState.REPAIRED and not _is_there_again(row, settled_by):
            continue
        for name in CHANGING:
            setattr(row, name, getattr(difference, name))
        row.seen_at, row.period_start = now, subject.start
        if row.state != FindingState.OPEN:
            row.state, row.found_at, row.times = FindingState.OPEN, now, row.times + 1
            row.repaired_at = row.repaired_by = row.outcome = None
            new += 1
    _let_go([row for row in known.values() if row.usage_type == subject.usage_type], comparison, now)
    return new


def _known(session: Session, tenant_id: int, compared: Compared) -> dict[str, ReconciliationFinding]:
    """The findings of these subjects, and those of the same keys: a period may have been cut anew since."""
    row = ReconciliationFinding
    keys = [difference.key for _, comparison in compared for difference in comparison.differences]
    is_own = and_(
        row.period_start.in_({subject.start for subject, _ in compared}),
        row.usage_type.in_({subject.usage_type for subject, _ in compared}),
    )
    found = session.scalars(
        select(row)
        .where(row.tenant_id == tenant_id, or_(is_own, row.key.in_(keys)))
        .execution_options(populate_existing=True)
    )
    return {each.key: each for each in found}


def _is_there_again(row: ReconciliationFinding, settled_by: datetime) -> bool:
    return row.repair not in BY_PROPOSAL and row.repaired_at is not None and row.repaired_at <= settled_by


def _let_go(rows: Sequence[ReconciliationFinding], comparison: Comparison, now: datetime) -> None:
    """Open findings that are not there any more; of an hour that is still settling nothing is known."""
    there = {difference.key for difference in comparison.differences}
    for row in rows:
        is_known = not comparison.unsettled if row.hour is None else hour_of(row.hour) not in comparison.unsettled
        if row.state == FindingState.OPEN and row.key not in there and is_known:
            row.state, row.seen_at = FindingState.GONE, now


def _new(tenant_id: int, subject: Subject, difference: Difference, now: datetime) -> ReconciliationFinding:
    return ReconciliationFinding(
        tenant_id=tenant_id,
        key=difference.key,
        kind=str(difference.kind),
        usage_type=subject.usage_type,
        period_start=subject.start,
        hour=difference.hour,
        meter_event_id=difference.batch.id if difference.batch else None,
        identifier=difference.batch.identifier if difference.batch else None,
        repair=str(difference.repair),
        expected=difference.expected,
        found=difference.found,
        state=FindingState.OPEN,
        times=1,
        found_at=now,
        seen_at=now,
    )
