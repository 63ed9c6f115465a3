"""What we hold of a billing period: ledger and rollups, meter events, invoice lines, proposals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.ledger.buckets import BUCKETED, LATEST, LEVEL
from dashboard.billing.ledger.usage_types import LEVELS
from dashboard.billing.plans.pricing import metered_prices
from dashboard.billing.reconciliation.parts import BY_PROPOSAL, HOUR, Batch, Billed, Bucket, Subject

# A transaction that was under way at the last look may have committed behind it.
MARGIN = timedelta(hours=1)

# One statement, so that ledger and rollups are of the same moment. Ledger rows before `since` were compared before.
_BUCKETS = text(
    f"""
    WITH recorded AS (
        SELECT tenant_id, usage_type, quantity, occurred_at FROM billing_usage
         WHERE tenant_id = :tenant_id AND usage_type = ANY(:usage_types)
           AND occurred_at >= :since AND occurred_at < :stop
    ), {BUCKETED}, ledger AS (
        SELECT usage_type, bucket_start, CASE WHEN {LEVEL} THEN {LATEST} ELSE sum(quantity) END AS quantity,
               count(*) AS events
          FROM bucketed GROUP BY usage_type, bucket_start
    ), rollups AS (
        SELECT usage_type, bucket_start, quantity, events, claimed, settled, is_due FROM usage_rollups
         WHERE tenant_id = :tenant_id AND usage_type = ANY(:usage_types)
           AND bucket_start >= :start AND bucket_start < :stop
    )
    SELECT usage_type, bucket_start, l.quantity AS ledger, l.events AS ledger_events, r.quantity AS rollup, r.events,
           r.claimed, r.settled, r.is_due
      FROM ledger l FULL JOIN rollups r USING (usage_type, bucket_start)
     ORDER BY usage_type, bucket_start
    """
)

_CHANGED_SINCE = text(
    """
    WITH last AS (
        SELECT count(*) AS checks, min(verified_at) - CAST(:margin AS interval) AS seen FROM reconciliation_checks
         WHERE tenant_id = :tenant_id AND usage_type = ANY(:usage_types) AND period_start = :start
    )
    SELECT checks,
           (SELECT min(bucket_start) FROM usage_rollups
             WHERE tenant_id = :tenant_id AND usage_type = ANY(:usage_types)
               AND bucket_start >= :start AND bucket_start < :stop AND recorded_at >= last.seen) AS changed
      FROM last
    """
)


_PERIOD = text(
    """
    SELECT tenant_id, starts_at, ends_at, plan, subscription_id FROM billing_periods
     WHERE tenant_id = :tenant_id AND starts_at = :start AND ends_at > starts_at
    """
)

_BATCHES = text(
    """
    SELECT usage_type, id, identifier, bucket_start, timestamp, value, state, kind, sent_at, cancel_asked_at, error_code
      FROM meter_events
     WHERE tenant_id = :tenant_id AND usage_type = ANY(:usage_types)
       AND bucket_start >= :since AND bucket_start < :stop
     ORDER BY id
    """
)

_BILLED = text(
    """
    SELECT l.usage_type, sum(l.quantity), max(i.id), bool_and(i.finalized_at IS NOT NULL)
      FROM invoice_lines l JOIN invoices i ON i.tenant_id = l.tenant_id AND i.id = l.invoice_id
     WHERE l.tenant_id = :tenant_id AND l.usage_type IS NOT NULL
       AND l.period_start >= :start AND l.period_end <= :stop AND i.status <> 'void'
     GROUP BY l.usage_type
    """
)

_PROPOSED = text(
    """
    SELECT usage_type, sum(CASE kind WHEN 'invoice_item' THEN quantity ELSE -quantity END)
      FROM billing_proposals
     WHERE tenant_id = :tenant_id AND period_start >= :start AND period_start < :stop
     GROUP BY usage_type
    """
)

_REPAIRED = text(
    """
    SELECT key FROM reconciliation_findings
     WHERE tenant_id = :tenant_id AND period_start = :start AND state = 'repaired' AND repair = ANY(:repairs)
    """
)


@dataclass(frozen=True, slots=True)
class Period:
    """A billing period to reconcile."""

    tenant_id: int
    start: datetime
    end: datetime
    plan: str | None
    subscription_id: str


def find_period(session: Session, tenant_id: int, start: datetime) -> Period | None:
    """The period that begins then, unless it has no length."""
    row = session.execute(_PERIOD, {"tenant_id": tenant_id, "start": start}).first()
    return Period(*row) if row else None


def read_subjects(
    session: Session, period: Period, hours: Mapping[str, Mapping[datetime, int]], *, is_thorough: bool
) -> list[Subject]:
    """All facts of a period, one subject for each usage type of `hours` (what Stripe's meters hold).

    Unless `is_thorough`, of the ledger only what changed since the last look is added up again.
    """
    usage_types = sorted(hours)
    # Buckets before batches: what is claimed in between is then seen as a batch that is still to be sent.
    buckets = _buckets(session, period, usage_types, is_thorough=is_thorough)
    batches = _batches(session, period, usage_types)
    billed = _billed(session, period, usage_types)
    proposed = _proposed(session, period)
    priced = metered_prices(session, period.tenant_id, period.plan, period.subscription_id)
    repaired = _repaired(session, period)
    return [
        Subject(
            usage_type=name,
            is_level=name in LEVELS,
            start=period.start,
            end=period.end,
            buckets=tuple(buckets[name]),
            batches=tuple(batches[name]),
            hours=hours[name],
            billed=billed.get(name),
            proposed=proposed.get(name, 0),
            is_priced=name in priced,
            repaired=repaired,
        )
        for name in usage_types
    ]


def _buckets(session: Session, period: Period, usage_types: list[str], *, is_thorough: bool) -> dict[str, list[Bucket]]:
    scope: dict[str, object] = {
        "tenant_id": period.tenant_id,
        "usage_types": usage_types,
        "start": period.start,
        "stop": period.end,
    }
    since = period.start if is_thorough else _since(session, period, usage_types, scope)
    found: dict[str, list[Bucket]] = defaultdict(list)
    for row in session.execute(_BUCKETS, {**scope, "since": since}):
        was_added_up = row.bucket_start >= since
        found[row.usage_type].append(
            Bucket(
                start=row.bucket_start,
                ledger=int(row.ledger or 0) if was_added_up else row.rollup,
                events=(row.ledger_events or 0) if was_added_up else row.events,
                rollup=row.rollup or 0,
                claimed=row.claimed or 0,
                settled=row.settled or 0,
                is_due=bool(row.is_due) and (row.events > 0 if row.usage_type in LEVELS else row.rollup != row.claimed),
            )
        )
    return found


def _since(session: Session, period: Period, usage_types: list[str], scope: dict[str, object]) -> datetime:
    """From where on the ledger may differ from what was compared before: the first bucket that changed."""
    last = session.execute(_CHANGED_SINCE, {**scope, "margin": MARGIN}).one()
    if last.checks < len(usage_types):
        return period.start
    changed: datetime | None = last.changed
    return changed or period.end


def _batches(session: Session, period: Period, usage_types: Iterable[str]) -> dict[str, list[Batch]]:
    """Meter events of the period, and of the hour before it: the minute of its beginning is shared."""
    scope = {
        "tenant_id": period.tenant_id,
        "usage_types": list(usage_types),
        "since": period.start - HOUR,
        "stop": period.end,
    }
    found: dict[str, list[Batch]] = defaultdict(list)
    for usage_type, *values in session.execute(_BATCHES, scope):
        found[usage_type].append(Batch(*values))
    return found


def _billed(session: Session, period: Period, usage_types: list[str]) -> dict[str, Billed]:
    """What the period's invoices bill; a type without a line is billed 0 by an invoice that bills others."""
    scope = {"tenant_id": period.tenant_id, "start": period.start, "stop": period.end}
    rows = session.execute(_BILLED, scope)
    found = {name: Billed(int(quantity or 0), id_, is_final) for name, quantity, id_, is_final in rows}
    if found:
        other = next(iter(found.values()))
        is_final = all(billed.is_final for billed in found.values())
        for name in usage_types:
            found.setdefault(name, Billed(0, other.invoice_id, is_final))
    return found


def _proposed(session: Session, period: Period) -> dict[str, int]:
    """Units that proposals ask for, less those that they give back, whatever staff decided about the money."""
    scope = {"tenant_id": period.tenant_id, "start": period.start, "stop": period.end}
    return {name: int(quantity) for name, quantity in session.execute(_PROPOSED, scope)}


def _repaired(session: Session, period: Period) -> frozenset[str]:
    scope = {"tenant_id": period.tenant_id, "start": period.start, "repairs": list(BY_PROPOSAL)}
    return frozenset(session.scalars(_REPAIRED, scope))
