"""What a tenant would lose by a change to a smaller plan, named."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.billing.ledger.usage_types import UsageType
from dashboard.billing.plans.plans import PLANS, catalog


@dataclass(frozen=True, slots=True)
class Loss:
    """Included units of one usage type, before and after."""

    usage_type: UsageType
    before: int
    after: int


def find_losses(before: str | None, after: str) -> list[Loss]:
    """The usage types of which the plan `after` includes less than `before`, in the order of the pages."""
    if before is None or before not in PLANS:
        return []
    old, new = PLANS[before], PLANS[after]
    rows = [Loss(kind, old.included(kind.name) or 0, new.included(kind.name) or 0) for kind in catalog().metered]
    return [row for row in rows if row.after < row.before]


def lost_features(before: str | None, after: str) -> list[str]:
    """The names of what the plan `before` entitles to and the plan `after` does not, in the order of the catalogue."""
    if before is None or before not in PLANS:
        return []
    return [
        name
        for key, name in catalog().features.items()
        if key in set(PLANS[before].features) - set(PLANS[after].features)
    ]
