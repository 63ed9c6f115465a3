"""Stripe's reports of meter events that it took and could not count: kept, and brought home to the batches they name.

A report names samples only. A batch that failed and was not named shows up in reconciliation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dashboard.billing.ports.events import MeterErrorFacts
from dashboard.models import MeterErrorReport, MeterEvent, MeterEventState

# "cus_1-12-SMS_SENT-1781000000-3", or "…-3r45" for one that was sent again: the tenant is the second part.
_IDENTIFIER = re.compile(r"[^-]+-(\d{1,18})-[A-Z_]+-\d+-\w+", re.ASCII)
# What was mended or taken back since has nothing to be told any more: a late report of it is settled by being kept.
_STANDING = (MeterEventState.PENDING, MeterEventState.SENT)


def store_meter_errors(session: Session, facts: MeterErrorFacts, now: datetime) -> int:
    """Keep a report and reject the batches that it names; the same again changes nothing. Answers how many batches."""
    session.merge(MeterErrorReport(**{**asdict(facts), "errors": list(facts.errors)}, stored_at=now))
    session.flush()
    return sum(_reject(session, *sample) for sample in _samples(facts))


def list_meter_errors(session: Session, *, limit: int = 50) -> list[MeterErrorReport]:
    """The newest reports."""
    return list(session.scalars(select(MeterErrorReport).order_by(MeterErrorReport.window_end.desc()).limit(limit)))


def _samples(facts: MeterErrorFacts) -> Iterator[tuple[str, str, str]]:
    """(identifier, code, message) of each sample, in the order of identifiers: two reports at once do not deadlock."""
    found = {
        sample["identifier"]: (error["code"], sample["message"])
        for error in facts.errors
        for sample in error["samples"]
        if sample["identifier"]
    }
    for identifier in sorted(found):
        yield identifier, *found[identifier]


def _reject(session: Session, identifier: str, code: str, message: str) -> int:
    """A report may come before the batch is marked sent; the mark leaves what it rejected."""
    named = _IDENTIFIER.fullmatch(identifier)
    if named is None:  # sent by another program with the same Stripe account
        return 0
    rejected = session.execute(
        update(MeterEvent)
        .where(
            MeterEvent.tenant_id == int(named.group(1)),
            MeterEvent.identifier == identifier,
            MeterEvent.state.in_(_STANDING),
        )
        .values(state=MeterEventState.REJECTED, error_code=code, error=message, cancel_asked_at=None)
        .returning(MeterEvent.id)
    )
    return len(rejected.all())
