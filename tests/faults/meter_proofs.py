"""Ledger = meter event summaries = invoice lines, of many tenants: what is read for it, and the assertions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import func, select, text

from dashboard.jobs.reconciliation import reconcile_period, repair_period
from dashboard.models import BillingPeriod, BillingProposal, Invoice, ReconciliationCheck, ReconciliationFinding
from dashboard.wiring import now, unit_of_work
from tests.faults.meter_lives import TYPES, Life, read_invoiced
from tests.faults.meter_world import sync_all

ROUNDS = 6
Span = tuple[datetime, datetime]
# What the ledger's own rows come to, and the last one of them, in each period there is.
_LEDGER = text(
    """
    SELECT p.tenant_id, p.starts_at, u.usage_type, sum(u.quantity) AS total,
           (array_agg(u.quantity ORDER BY u.occurred_at DESC, u.quantity DESC))[1] AS last
      FROM billing_periods p
      JOIN billing_usage u
        ON u.tenant_id = p.tenant_id AND u.occurred_at >= p.starts_at AND u.occurred_at < p.ends_at
     WHERE p.tenant_id = ANY(:tenants)
     GROUP BY p.tenant_id, p.starts_at, u.usage_type
    """
)


def periods(lives: Sequence[Life]) -> dict[int, list[Span]]:
    """The billing periods that have begun, by tenant."""
    row, found = BillingPeriod, defaultdict(list)
    with unit_of_work() as session:
        begun = select(row.tenant_id, row.starts_at, row.ends_at).where(
            row.tenant_id.in_([life.tenant_id for life in lives]), row.starts_at <= now()
        )
        for tenant_id, start, stop in session.execute(begun.order_by(row.tenant_id, row.starts_at)):
            found[tenant_id].append((start.astimezone(UTC), stop.astimezone(UTC)))
    return found


def ledgers(lives: Sequence[Life]) -> dict[tuple[int, str, datetime], int]:
    """What was used, by tenant, usage type and beginning of the period; of storage the last reading."""
    found: dict[tuple[int, str, datetime], int] = defaultdict(int)
    with unit_of_work() as session:
        for row in session.execute(_LEDGER, {"tenants": [life.tenant_id for life in lives]}):
            is_level = row.usage_type == "STORAGE_USED_MB"
            found[row.tenant_id, row.usage_type, row.starts_at.astimezone(UTC)] = int(
                row.last if is_level else row.total
            )
    return found


def reconcile(life: Life, spans: Sequence[Span]) -> int:
    """Compare and repair these periods of a tenant."""
    return sum(repair_period(life.tenant_id, start, None, "test") for start, _ in spans)


def settle(lives: Sequence[Life], most: int = 2) -> None:
    """Sync, reconcile and repair the first periods until there is nothing to do; a second look then finds nothing."""
    spans = {tenant_id: found[:most] for tenant_id, found in periods(lives).items()}
    unsettled = list(lives)
    for _ in range(ROUNDS):
        sync_all()
        unsettled = [life for life in unsettled if reconcile(life, spans[life.tenant_id])]
        if not unsettled:
            break
    before = findings(lives)
    for life in lives[:: max(1, len(lives) // 5)]:
        for start, _ in spans[life.tenant_id]:
            reconcile_period(life.tenant_id, start)
    assert findings(lives) == before
    assert [finding for finding in before if "open" in finding] == []


def findings(lives: Sequence[Life]) -> list[tuple[int, str, str, int, str, int, int]]:
    """Everything that was ever found."""
    row = ReconciliationFinding
    with unit_of_work() as session:
        found = session.execute(
            select(row.tenant_id, row.key, row.state, row.times, row.repair, row.expected, row.found)
            .where(row.tenant_id.in_([life.tenant_id for life in lives]))
            .order_by(row.tenant_id, row.id)
        )
        return [tuple(each) for each in found]


def assert_meters_are_ledgers(lives: Sequence[Life]) -> None:
    """Ledger = summaries, in every period."""
    used, begun = ledgers(lives), periods(lives)
    for life in lives:
        for start, stop in begun[life.tenant_id]:
            for usage_type in TYPES:
                where = (life.tenant_id, usage_type, start)
                assert (*where, life.at_stripe(usage_type, start, stop)) == (*where, used[where])


def assert_invoices_are_ledgers(lives: Sequence[Life]) -> dict[int, dict[str, int]]:
    """Ledger = invoice lines of the period that ended. Answers what was invoiced, by tenant."""
    used, billed = ledgers(lives), {}
    with unit_of_work() as session:
        reasons = session.scalars(
            select(Invoice.billing_reason).where(Invoice.id.in_([life.latest_invoice for life in lives]))
        ).all()
    assert reasons == ["subscription_cycle"] * len(lives)
    for life in lives:
        billed[life.tenant_id] = read_invoiced(life)
        expected = {usage_type: used[life.tenant_id, usage_type, life.start] for usage_type in TYPES}
        assert (life.tenant_id, billed[life.tenant_id]) == (life.tenant_id, expected)
    return billed


def assert_proposals_explain_the_rest(lives: Sequence[Life], billed: Mapping[int, Mapping[str, int]]) -> None:
    """What came after the invoice was final is proposed, once; every check says so."""
    used, proposed = ledgers(lives), _proposed(lives)
    for life in lives:
        for usage_type in TYPES:
            kinds = proposed[life.tenant_id, usage_type]
            extra = kinds.get("invoice_item", 0) - kinds.get("credit_note", 0)
            where = (life.tenant_id, usage_type)
            assert (*where, billed[life.tenant_id][usage_type] + extra) == (*where, used[*where, life.start])
    states = _check_states(lives)
    expected = {(life.tenant_id, usage_type): "equal" for life in lives for usage_type in TYPES}
    assert states == expected


def _proposed(lives: Sequence[Life]) -> dict[tuple[int, str], dict[str, int]]:
    """Units by kind of proposal, by tenant and usage type."""
    row, found = BillingProposal, defaultdict(dict)
    with unit_of_work() as session:
        rows = session.execute(
            select(row.tenant_id, row.usage_type, row.kind, func.sum(row.quantity))
            .where(row.tenant_id.in_([life.tenant_id for life in lives]))
            .group_by(row.tenant_id, row.usage_type, row.kind)
        )
        for tenant_id, usage_type, kind, quantity in rows:
            found[tenant_id, usage_type][kind] = int(quantity)
    return found


def _check_states(lives: Sequence[Life]) -> dict[tuple[int, str], str]:
    """What the checks of the first periods say, by tenant and usage type."""
    row, starts = ReconciliationCheck, {(life.tenant_id, life.start) for life in lives}
    with unit_of_work() as session:
        rows = session.execute(
            select(row.tenant_id, row.usage_type, row.period_start, row.state).where(
                row.tenant_id.in_([life.tenant_id for life in lives]), row.usage_type.in_(TYPES)
            )
        )
        return {
            (tenant_id, usage_type): state
            for tenant_id, usage_type, start, state in rows
            if (tenant_id, start.astimezone(UTC)) in starts
        }
