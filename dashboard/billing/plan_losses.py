"""What a tenant would lose by a change to a smaller plan, named."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from dashboard.billing.plans import PLANS
from dashboard.billing.pricing import included_in, tiers_of_plan
from dashboard.billing.usage_types import METERED, UsageType


@dataclass(frozen=True, slots=True)
class Loss:
    """Included units of one usage type, before and after."""

    usage_type: UsageType
    before: int
    after: int


def find_losses(session: Session, before: str | None, after: str) -> list[Loss]:
    """The usage types of which the plan `after` includes less than `before`, in the order of the pages."""
    if before is None or before not in PLANS:
        return []
    old, new = tiers_of_plan(session, before), tiers_of_plan(session, after)
    rows = [Loss(kind, included_in(old.get(kind.name, ())), included_in(new.get(kind.name, ()))) for kind in METERED]
    return [row for row in rows if row.after < row.before]
