"""The invoice at the end of the current period as it stands now, from our own usage and tiers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from dashboard.billing.costs.forecast import Forecast, TypeForecast, make_forecast, read_days
from dashboard.billing.costs.next_bill import find_bill
from dashboard.billing.ledger.usage_types import USAGE_TYPES, UsageType
from dashboard.billing.periods.periods import Period
from dashboard.billing.plans.pricing import TierPart, rate_tiers
from dashboard.models import Tenant


@dataclass(frozen=True, slots=True)
class UpcomingLine:
    """One metered type so far, tier by tier. `amount` is minor units; `forecast` is None where there is none."""

    usage_type: UsageType
    quantity: int
    tiers: list[TierPart]
    amount: int
    forecast: TypeForecast | None


@dataclass(frozen=True, slots=True)
class UpcomingInvoice:
    """What would be billed if the period ended now, before tax, discounts and credit; and what it will probably be.

    Money is minor units of `currency`. `base_fee` is that of the time after the period.
    """

    period: Period
    currency: str
    base_fee: int
    lines: list[UpcomingLine]
    forecast: Forecast

    @property
    def total(self) -> int:
        """Usage so far and the base fee."""
        return self.base_fee + sum(line.amount for line in self.lines)


def find_upcoming(session: Session, tenant: Tenant, period: Period, now: datetime) -> UpcomingInvoice | None:
    """The invoice to come for the current period; None where none will come: without a subscription."""
    if period.subscription_id is None:
        return None
    bill = find_bill(session, tenant.id, period)
    usage = read_days(session, tenant.id, period, now)
    forecast = make_forecast(period, usage, bill, now)
    expected = {each.usage_type.name: each for each in forecast.types}
    lines = []
    for kind in (USAGE_TYPES[name] for name in usage):
        parts = rate_tiers(bill.tiers.get(kind.name, []), usage[kind.name].used)
        amount = sum(part.amount for part in parts)
        lines.append(UpcomingLine(kind, usage[kind.name].used, parts, amount, expected.get(kind.name)))
    return UpcomingInvoice(period, bill.currency, bill.base_fee, lines, forecast)
