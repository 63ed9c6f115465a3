"""Stripe's reports of meter events that it took and could not count, kept for staff."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.ports_events import MeterErrorFacts
from dashboard.models import MeterErrorReport


def store_meter_errors(session: Session, facts: MeterErrorFacts, now: datetime) -> None:
    """Keep a report; the same again changes nothing."""
    session.merge(MeterErrorReport(**{**asdict(facts), "errors": list(facts.errors)}, stored_at=now))
    session.flush()


def list_meter_errors(session: Session, *, limit: int = 50) -> list[MeterErrorReport]:
    """The newest reports."""
    return list(session.scalars(select(MeterErrorReport).order_by(MeterErrorReport.window_end.desc()).limit(limit)))
