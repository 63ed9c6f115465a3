"""What of a period's usage its plan includes, and what the rest would cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy.orm import Session

from dashboard.billing.ledger.usage_types import USAGE_TYPES, UsageType
from dashboard.billing.periods.periods import Period
from dashboard.billing.plans.plans import catalog, free_plan
from dashboard.billing.plans.pricing import cost_of, metered_prices

HEADLINE = ("SMS_SENT", "AI_MESSAGE_GENERATED", "CALL_DURATION_SECONDS", "STORAGE_USED_MB")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one metered type used of what the plan includes. Money is minor units of `currency`."""

    usage_type: UsageType
    used: int
    included: int | None
    over: int
    overage_rate: Decimal | None
    currency: str
    estimated_cost: int
    previous: int | None


def list_allowances(
    session: Session, tenant_id: int, period: Period, totals: Mapping[str, int], previous: Mapping[str, int] | None
) -> tuple[Allowance, ...]:
    """The headline meters; a period without a subscription is on Free, which stops rather than bills.

    A metered price that we do not know includes nothing that we know of: nothing is over.
    """
    prices = metered_prices(session, tenant_id, period.priced_as, period.subscription_id)
    order = [USAGE_TYPES[name] for name in HEADLINE] + [kind for kind in catalog().metered if kind.name not in HEADLINE]
    answer = []
    for kind in order:
        price = prices.get(kind.name)
        used = totals.get(kind.name, 0)
        included = price.included if price else None
        over = max(used - included, 0) if included is not None else 0
        is_billed = price is not None and period.priced_as != free_plan().key
        rate = price.overage_rate if price and is_billed else None
        cost = cost_of(price.tiers or [], used) if price and is_billed else 0
        earlier = previous.get(kind.name, 0) if previous is not None else None
        answer.append(Allowance(kind, used, included, over, rate, catalog().currency, cost, earlier))
    return tuple(answer)
