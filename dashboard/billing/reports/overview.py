"""A tenant's account at a glance: what it used of its plan, what that will cost, what is next, what is to be paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, DateTime, Select, and_, bindparam, select, text
from sqlalchemy.orm import Session, load_only

from dashboard.billing.costs.forecast import Forecast, TypeForecast, make_forecast, read_days
from dashboard.billing.costs.next_bill import Bill, find_bill
from dashboard.billing.errors import NotFound
from dashboard.billing.ledger.usage_types import USAGE_TYPES, UsageType
from dashboard.billing.periods.periods import Period, list_periods
from dashboard.billing.plans.pricing import cost_of
from dashboard.models import Invoice, Tenant

INVOICES = 4
# What the list of the newest invoices shows of each, and `has_failed` asks; an invoice has three times as many columns.
_SHOWN = (
    *(Invoice.number, Invoice.status, Invoice.created_at, Invoice.total, Invoice.currency),
    *(Invoice.payment_attempts, Invoice.amount_remaining),
)

# One statement for what are single rows: a page has few queries to spend.
_FACTS = (
    text(
        """
    SELECT (SELECT amount FROM usage_budgets WHERE tenant_id = :tenant_id) AS budget,
           (SELECT stops FROM usage_budgets WHERE tenant_id = :tenant_id) AS budget_stops,
           EXISTS (SELECT FROM api_keys WHERE tenant_id = :tenant_id AND revoked_at IS NULL
                      AND (expires_at IS NULL OR expires_at > :now)) AS has_key,
           EXISTS (SELECT FROM usage_days WHERE tenant_id = :tenant_id) AS has_usage,
           (SELECT max(recorded_at) FROM usage_days
             WHERE tenant_id = :tenant_id AND day_start >= :since AND day_start < :until) AS updated_at
    """
    )
    .columns(
        budget=BigInteger, budget_stops=Boolean, has_key=Boolean, has_usage=Boolean, updated_at=DateTime(timezone=True)
    )
    .subquery()
)


def _with_invoices() -> Select[Any]:
    """The facts, once for each of the newest invoices, or once where there is none."""
    of_tenant = Invoice.tenant_id == bindparam("tenant_id", type_=BigInteger)
    newest = select(Invoice.id).where(of_tenant, Invoice.status != "draft")
    newest = newest.order_by(Invoice.created_at.desc(), Invoice.id.desc()).limit(INVOICES)
    return (
        select(_FACTS, Invoice)
        .outerjoin(Invoice, and_(of_tenant, Invoice.id.in_(newest)))
        .order_by(Invoice.created_at.desc(), Invoice.id.desc())
        .options(load_only(*_SHOWN, raiseload=True))
    )


_FACTS_AND_INVOICES = _with_invoices()


@dataclass(frozen=True, slots=True)
class Meter:
    """One metered type in the running period. `remaining` is None where nothing is included that we know of.

    `cost` is minor units for what was used so far; `reached_at` is when what is included will probably be used up.
    """

    usage_type: UsageType
    used: int
    included: int | None
    cost: int
    forecast: TypeForecast | None
    reached_at: datetime | None

    @property
    def remaining(self) -> int | None:
        """Units that are still included."""
        return None if self.included is None else max(self.included - self.used, 0)

    @property
    def share(self) -> float | None:
        """Percent of the included units that are used."""
        return 100 * self.used / self.included if self.included else None


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the overview shows. Money is minor units of `currency`, before tax, discounts and credit.

    `cost` is the usage so far; `budget` is what it may cost in a period (None: no limit), and `budget_stops` whether
    actions beyond it are stopped. `next` is the meter that
    reaches what is included first. `has_key` and `has_usage` say how far a new tenant has come.
    """

    period: Period
    meters: tuple[Meter, ...]
    next: Meter | None
    forecast: Forecast
    cost: int
    budget: int | None
    budget_stops: bool
    currency: str
    invoices: tuple[Invoice, ...]
    has_key: bool
    has_usage: bool
    updated_at: datetime | None


def view_overview(session: Session, tenant: Tenant, now: datetime) -> Overview:
    """The overview of the running period: four queries, five where the plan is about to change.

    Raises `NotFound` for a tenant that there was not yet at `now`.
    """
    period = next((each for each in list_periods(session, tenant, now) if each.is_current), None)
    if period is None:
        raise NotFound(f"tenant {tenant.id} has no period at {now}")
    usage = read_days(session, tenant.id, period, now)
    bill = find_bill(session, tenant.id, period)
    forecast = make_forecast(period, usage, bill, now)
    expected = {each.usage_type.name: each for each in forecast.types}
    meters = tuple(
        _meter(USAGE_TYPES[name], each.used, bill, expected.get(name), now=now, end=period.ends_at)
        for name, each in usage.items()
    )
    reaching = [(meter.reached_at, meter) for meter in meters if meter.reached_at is not None]
    since = period.starts_at.replace(hour=0, minute=0, second=0, microsecond=0)
    values = {"tenant_id": tenant.id, "now": now, "since": since, "until": period.ends_at}
    rows = session.execute(_FACTS_AND_INVOICES, values).all()
    facts = rows[0]
    return Overview(
        period=period,
        meters=meters,
        next=min(reaching, key=lambda each: each[0])[1] if reaching else None,
        forecast=forecast,
        cost=sum(meter.cost for meter in meters),
        budget=facts.budget,
        budget_stops=bool(facts.budget_stops),
        currency=bill.currency,
        invoices=tuple(row.Invoice for row in rows if row.Invoice is not None),
        has_key=facts.has_key,
        has_usage=facts.has_usage,
        updated_at=facts.updated_at,
    )


def _meter(
    kind: UsageType, used: int, bill: Bill, forecast: TypeForecast | None, *, now: datetime, end: datetime
) -> Meter:
    tiers = bill.tiers.get(kind.name)
    included = bill.included.get(kind.name)
    return Meter(
        usage_type=kind,
        used=used,
        included=included,
        cost=cost_of(tiers, used) if tiers else 0,
        forecast=forecast,
        reached_at=_reached_at(used, included, forecast, now, end),
    )


def _reached_at(
    used: int, included: int | None, forecast: TypeForecast | None, now: datetime, end: datetime
) -> datetime | None:
    """When what is included is used up if the rest of the period is used evenly; None if it will last, or is gone."""
    if not included or forecast is None or used >= included or forecast.expected < included:
        return None
    return now + (end - now) * ((included - used) / (forecast.expected - used))
