"""When a tenant's people are told of usage and cost: at which percents or numbers of units."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.ledger.usage_types import SUMS, USAGE_TYPES
from dashboard.billing.limits.limits import MAX_CAP
from dashboard.models import AlertRule

# The subject that is no usage type: what usage beyond the plan costs.
BUDGET = "budget"
MAX_PERCENT = 1_000
MAX_THRESHOLDS = 10
_LIST = re.compile(r"\s*(?:\d{1,16}\s*%?\s*(?:[,;\s]\s*\d{1,16}\s*%?\s*)*)?")


@dataclass(frozen=True, slots=True)
class Rule:
    """The thresholds of one subject, each list in rising order."""

    percents: tuple[int, ...]
    units: tuple[int, ...] = ()


USUAL = Rule(percents=(80, 100))
USUAL_OF_BUDGET = Rule(percents=(50, 80, 100))


def usual_rule(subject: str) -> Rule:
    """What holds where the tenant has set nothing."""
    return USUAL_OF_BUDGET if subject == BUDGET else USUAL


def list_rules(session: Session, tenant_id: int) -> dict[str, Rule]:
    """The rule of every usage type and of the budget."""
    rows = session.scalars(select(AlertRule).where(AlertRule.tenant_id == tenant_id))
    own = {row.subject: Rule(tuple(row.percents), tuple(row.units)) for row in rows}
    return {subject: own.get(subject, usual_rule(subject)) for subject in (*USAGE_TYPES, BUDGET)}


def set_rules(
    session: Session, tenant_id: int, rules: Mapping[str, Rule], *, set_by: str, now: datetime
) -> dict[str, tuple[Rule, Rule]]:
    """Set these rules; answers those that differ, before and after. What was told of is not told again."""
    before = list_rules(session, tenant_id)
    differs = {subject: (before[subject], rule) for subject, rule in rules.items() if before[subject] != rule}
    for subject, (_, rule) in differs.items():
        row = insert(AlertRule).values(
            tenant_id=tenant_id,
            subject=subject,
            percents=list(rule.percents),
            units=list(rule.units),
            set_by=set_by,
            set_at=now,
        )
        given = {name: row.excluded[name] for name in ("percents", "units", "set_by", "set_at")}
        session.execute(row.on_conflict_do_update(index_elements=["tenant_id", "subject"], set_=given))
    return differs


def parse_rule(subject: str, percents: str, units: str) -> Rule:
    """A rule from what a person writes, such as "50, 80, 100" and "1000"; an empty text is no threshold.

    Raises `InvalidInput` (`<subject>.percents`, `<subject>.units`).
    """
    if units.strip() and subject not in SUMS:
        raise InvalidInput(f"{subject}.units", "must be empty: only what adds up has a number of units")
    return Rule(
        _numbers(percents, f"{subject}.percents", MAX_PERCENT),
        _numbers(units, f"{subject}.units", MAX_CAP),
    )


def _numbers(value: str, field: str, most: int) -> tuple[int, ...]:
    if len(value) > 300 or not value.isascii() or not _LIST.fullmatch(value):
        raise InvalidInput(field, "must be whole numbers with commas between, such as 50, 80, 100")
    found = sorted({int(each) for each in re.findall(r"\d+", value)})
    if len(found) > MAX_THRESHOLDS:
        raise InvalidInput(field, f"must be {MAX_THRESHOLDS} numbers at most")
    if found and not 1 <= found[0] <= found[-1] <= most:
        raise InvalidInput(field, f"must be numbers from 1 to {most}")
    return tuple(found)
