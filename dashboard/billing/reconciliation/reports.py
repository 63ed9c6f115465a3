"""What staff see of the reconciliation: findings, and the hours of one period."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput, NotFound
from dashboard.billing.fields import MAX_ID
from dashboard.billing.ledger.usage_types import LEVELS, USAGE_TYPES, UsageType
from dashboard.billing.reconciliation.words import KIND_LABELS, describe_check, describe_finding, describe_repair
from dashboard.models import (
    BillingPeriod,
    CheckState,
    FindingState,
    ReconciliationCheck,
    ReconciliationFinding,
    Tenant,
)

ROWS = 50


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding in words, and whose it is."""

    finding: ReconciliationFinding
    tenant_name: str

    @property
    def label(self) -> str:
        """Its kind in a word or two."""
        return KIND_LABELS[self.finding.kind]  # type: ignore[index]

    @property
    def usage_label(self) -> str:
        """The usage type for people."""
        return USAGE_TYPES[self.finding.usage_type].label

    @property
    def text(self) -> str:
        """What is wrong."""
        return describe_finding(self.finding)

    @property
    def repair_text(self) -> str:
        """What its repair does."""
        return describe_repair(self.finding)


@dataclass(frozen=True, slots=True)
class FindingQuery:
    """Which findings a list shows; None leaves all."""

    state: FindingState | None = FindingState.OPEN
    tenant_id: int | None = None

    @classmethod
    def read(cls, state: str, tenant: str) -> FindingQuery:
        """From a page's fields; no state means open ones.

        Raises `InvalidInput`.
        """
        states = {"": FindingState.OPEN, "all": None} | {each.value: each for each in FindingState}
        if state not in states:
            raise InvalidInput("state", f"must be one of {', '.join(name for name in states if name)}")
        if tenant and not (tenant.isascii() and tenant.isdigit() and 0 < int(tenant) <= MAX_ID):
            raise InvalidInput("tenant", "must be the number of a tenant")
        return cls(states[state], int(tenant) if tenant else None)


@dataclass(frozen=True, slots=True)
class Counts:
    """How the comparison stands over all tenants."""

    open_findings: int
    different: int
    unsettled_periods: int


def count_all(session: Session) -> Counts:
    """Open findings, checks that differ, and periods that are still looked at."""
    finding, check = ReconciliationFinding, ReconciliationCheck
    row = session.execute(
        select(
            select(func.count()).select_from(finding).where(finding.state == FindingState.OPEN).scalar_subquery(),
            select(func.count()).select_from(check).where(check.state == CheckState.DIFFERENT).scalar_subquery(),
            select(func.count())
            .select_from(BillingPeriod)
            .where(BillingPeriod.check_due_at.is_not(None))
            .scalar_subquery(),
        )
    ).one()
    return Counts(*row)


def list_findings(session: Session, query: FindingQuery, *, before: int | None = None) -> list[Finding]:
    """The newest findings, one more than a page shows; `before` is the id of the last one of the page before."""
    row = ReconciliationFinding
    wanted = select(row, Tenant.name).join(Tenant, Tenant.id == row.tenant_id)
    if query.state is not None:
        wanted = wanted.where(row.state == query.state)
    if query.tenant_id is not None:
        wanted = wanted.where(row.tenant_id == query.tenant_id)
    if before is not None:
        wanted = wanted.where(row.id < before)
    return [Finding(found, name) for found, name in session.execute(wanted.order_by(row.id.desc()).limit(ROWS + 1))]


def list_open(session: Session, periods: Sequence[tuple[int, datetime]], usage_type: str | None) -> Iterator[Finding]:
    """The open findings of these (tenant, start) periods, of all usage types or of one, oldest first."""
    wanted = set(periods)
    after = 0
    row = ReconciliationFinding
    while True:
        rows = session.execute(
            select(row, Tenant.name)
            .join(Tenant, Tenant.id == row.tenant_id)
            .where(row.state == FindingState.OPEN, row.id > after)
            .order_by(row.id)
            .limit(1_000)
        ).all()
        for found, name in rows:
            if (found.tenant_id, found.period_start) in wanted and usage_type in {None, found.usage_type}:
                yield Finding(found, name)
        if not rows:
            return
        after = rows[-1][0].id


@dataclass(frozen=True, slots=True)
class Hour:
    """One bucket of a period: what the ledger holds, what Stripe was told and what is known of it there.

    `at_stripe` is None where Stripe is still adding up.
    """

    start: datetime
    ledger: int
    events: int
    told: int
    batches: int
    at_stripe: int | None

    @property
    def is_equal(self) -> bool | None:
        """Whether all three are equal; None where that is not known yet."""
        return None if self.at_stripe is None else self.ledger == self.told == self.at_stripe


@dataclass(frozen=True, slots=True)
class CheckDetail:
    """One check with its findings and the hours of one day."""

    check: ReconciliationCheck
    tenant_name: str
    kind: UsageType
    findings: list[Finding]
    days: list[tuple[date, int, int]]
    day: date | None
    hours: list[Hour]

    @property
    def state_label(self) -> str:
        """The state in a word or two."""
        return describe_check(self.check)


# Buckets and batches of a period, each added up where they are kept: a row for each bucket.
_HOURS = text(
    """
    SELECT bucket_start, r.quantity AS ledger, r.events, b.told, b.batches, b.is_unsettled
      FROM (SELECT bucket_start, quantity, events FROM usage_rollups
             WHERE tenant_id = :tenant_id AND usage_type = :usage_type
               AND bucket_start >= :start AND bucket_start < :stop) r
      FULL JOIN (
        SELECT bucket_start, count(*) AS batches,
               CASE WHEN :is_level THEN (array_agg(value ORDER BY timestamp DESC, id DESC)
                                         FILTER (WHERE state = 'sent' AND kind <> 'repair'))[1]
                    ELSE sum(value) FILTER (WHERE state = 'sent' AND kind <> 'repair') END AS told,
               bool_or(state = 'pending' OR sent_at > :checked_at) AS is_unsettled
          FROM meter_events
         WHERE tenant_id = :tenant_id AND usage_type = :usage_type
           AND bucket_start >= :start AND bucket_start < :stop
         GROUP BY bucket_start) b USING (bucket_start)
     ORDER BY bucket_start
    """
)


def find_check(
    session: Session, tenant_id: int, period_start: datetime, usage_type: str, day: date | None
) -> CheckDetail:
    """One check with the hours of `day` (UTC), or of its last day with usage.

    Raises `NotFound`.
    """
    check = session.get(ReconciliationCheck, (tenant_id, period_start, usage_type))
    if check is None or usage_type not in USAGE_TYPES:
        raise NotFound("this usage type and period were not compared yet")
    name = session.scalars(select(Tenant.name).where(Tenant.id == tenant_id)).one()
    row = ReconciliationFinding
    found = session.scalars(
        select(row)
        .where(row.tenant_id == tenant_id, row.period_start == period_start, row.usage_type == usage_type)
        .order_by(row.id.desc())
        .limit(ROWS)
    )
    findings = [Finding(each, name) for each in found]
    hours = _hours(session, check, findings)
    days = _by_day(hours, is_level=usage_type in LEVELS)
    chosen = day or (days[-1][0] if days else None)
    return CheckDetail(
        check=check,
        tenant_name=name,
        kind=USAGE_TYPES[usage_type],
        findings=findings,
        days=days,
        day=chosen,
        hours=[hour for hour in hours if hour.start.date() == chosen],
    )


def _hours(session: Session, check: ReconciliationCheck, findings: Sequence[Finding]) -> list[Hour]:
    """The period's hours. Stripe's figure is that of the last look: what it was told, but for the findings."""
    extra: dict[datetime, int] = {}
    for each in findings:
        found = each.finding
        if found.state == FindingState.OPEN and found.hour and found.kind in {"dropped", "doubled", "unexplained"}:
            hour = max(found.hour, check.period_start)
            extra[hour] = extra.get(hour, 0) + found.found - found.expected
    rows = session.execute(
        _HOURS,
        {
            "tenant_id": check.tenant_id,
            "usage_type": check.usage_type,
            "start": check.period_start,
            "stop": check.period_end,
            "checked_at": check.verified_at,
            "is_level": check.usage_type in LEVELS,
        },
    )
    return [
        Hour(
            start=row.bucket_start.astimezone(UTC),
            ledger=row.ledger or 0,
            events=row.events or 0,
            told=int(row.told or 0),
            batches=row.batches or 0,
            at_stripe=None if row.is_unsettled else int(row.told or 0) + extra.get(row.bucket_start, 0),
        )
        for row in rows
    ]


def _by_day(hours: Sequence[Hour], *, is_level: bool) -> list[tuple[date, int, int]]:
    """(day, ledger, told) of each day with usage or batches."""
    found: dict[date, tuple[int, int]] = {}
    for hour in hours:
        ledger, told = (0, 0) if is_level else found.get(hour.start.date(), (0, 0))
        found[hour.start.date()] = (ledger + hour.ledger, told + hour.told)
    return [(day, *totals) for day, totals in found.items()]
