"""All a tenant has set about alerts and limits, beside where it stands, and changing it in one go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from babel.numbers import get_currency_precision
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.ledger.totals import totals_between
from dashboard.billing.ledger.usage_types import USAGE_TYPES, UsageType
from dashboard.billing.limits.alert_rules import BUDGET, Rule, parse_rule, usual_rule
from dashboard.billing.limits.limits import MAX_BUDGET, MAX_CAP
from dashboard.billing.periods.periods import Period, list_periods
from dashboard.billing.plans.plans import catalog
from dashboard.billing.plans.pricing import cost_of_all, metered_prices, tiers_of
from dashboard.models import Tenant

_LIMITS = text(
    """
    SELECT 'rule' AS part, subject, percents, units, NULL::bigint AS amount, NULL::boolean AS stops
      FROM alert_rules WHERE tenant_id = :tenant_id
    UNION ALL
    SELECT 'cap', usage_type, NULL, NULL, quantity, NULL FROM usage_caps WHERE tenant_id = :tenant_id
    UNION ALL
    SELECT 'budget', currency, NULL, NULL, amount, stops FROM usage_budgets WHERE tenant_id = :tenant_id
    """
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tenant has set. Money is minor units of the catalogue's currency; `budget` None is no budget."""

    rules: Mapping[str, Rule]
    caps: Mapping[str, int]
    budget: int | None
    stops: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """One usage type in the current period: what is used, and what the plan includes (None: it is not metered)."""

    kind: UsageType
    used: int
    included: int | None


@dataclass(frozen=True, slots=True)
class LimitsView:
    """What the page shows. `cost` is what usage beyond the plan costs so far, in minor units."""

    period: Period
    limits: Limits
    standings: tuple[Standing, ...]
    cost: int
    currency: str

    def stopped_by(self, limits: Limits) -> list[str]:
        """What these limits would stop at once: labels of usage types, and the budget."""
        full = [
            each.kind.label
            for each in self.standings
            if each.kind.name in limits.caps and each.used >= limits.caps[each.kind.name]
        ]
        is_spent = limits.stops and limits.budget is not None and self.cost >= limits.budget
        return [*full, *(["everything that costs more, by the budget"] if is_spent else [])]


def read_limits(session: Session, tenant_id: int) -> Limits:
    """What the tenant has set, in one query."""
    rules = {subject: usual_rule(subject) for subject in (*USAGE_TYPES, BUDGET)}
    caps: dict[str, int] = {}
    budget, stops = None, False
    for row in session.execute(_LIMITS, {"tenant_id": tenant_id}):
        if row.part == "rule":
            rules[row.subject] = Rule(tuple(row.percents), tuple(row.units))
        elif row.part == "cap":
            caps[row.subject] = row.amount
        else:
            budget, stops = row.amount, row.stops
    return Limits(rules, caps, budget, stops)


def view_limits(session: Session, tenant: Tenant, now: datetime) -> LimitsView:
    """What the tenant has set, and where it stands in the current period."""
    period = next(each for each in list_periods(session, tenant, now) if each.is_current)
    prices = metered_prices(session, tenant.id, period.priced_as, period.subscription_id)
    used = totals_between(session, tenant.id, list(USAGE_TYPES), period.starts_at, period.ends_at)
    included = {name: price.included for name, price in prices.items()}
    return LimitsView(
        period=period,
        limits=read_limits(session, tenant.id),
        standings=tuple(
            Standing(kind, used.get(kind.name, 0), included.get(kind.name)) for kind in USAGE_TYPES.values()
        ),
        cost=cost_of_all(tiers_of(prices, period.priced_as), used),
        currency=catalog().currency,
    )


def parse_limits(form: Mapping[str, str]) -> tuple[Limits | None, dict[str, str]]:
    """Limits from what a person writes into the page's fields, or None and what is wrong, by field.

    The fields of a usage type are `<TYPE>.percents`, `.units` and `.cap`; those of the budget `budget.percents`,
    `.amount` (in major units, such as 50.00) and `.stops`.
    """
    errors: dict[str, str] = {}
    rules: dict[str, Rule] = {}
    caps: dict[str, int] = {}
    amount: int | None = None
    for kind in USAGE_TYPES.values():
        try:
            rules[kind.name] = parse_rule(
                kind.name, form.get(f"{kind.name}.percents", ""), form.get(f"{kind.name}.units", "")
            )
            cap = form.get(f"{kind.name}.cap", "").strip()
            if cap:
                caps[kind.name] = _parse_cap(cap, kind)
        except InvalidInput as error:
            errors[error.field] = error.message
    try:
        rules[BUDGET] = parse_rule(BUDGET, form.get("budget.percents", ""), "")
        amount = parse_amount(form.get("budget.amount", ""), catalog().currency)
    except InvalidInput as error:
        errors[error.field] = error.message
    if errors:
        return None, errors
    return Limits(rules, caps, amount, stops=amount is not None and form.get("budget.stops") == "yes"), {}


def parse_amount(value: str, currency: str) -> int | None:
    """Minor units of an amount that a person writes in major ones, such as 50 or 50.00; None for none.

    Raises `InvalidInput` (`budget.amount`).
    """
    given = value.strip()
    if not given:
        return None
    places = get_currency_precision(currency.upper())
    problem = InvalidInput(
        "budget.amount",
        f"must be a number such as {'50.' + '0' * places if places else '50'}, at most {MAX_BUDGET // 10**places}",
    )
    try:
        minor = (
            Decimal(given) * 10**places if given.isascii() and len(given) <= 20 and "e" not in given.lower() else None
        )
    except InvalidOperation:
        raise problem from None
    if minor is None or not minor.is_finite() or minor != int(minor) or not 0 <= minor <= MAX_BUDGET:
        raise problem
    return int(minor)


def _parse_cap(value: str, kind: UsageType) -> int:
    field = f"{kind.name}.cap"
    if kind.is_level:
        raise InvalidInput(field, "must be empty: a level is not used up by an action")
    if not (value.isascii() and value.isdigit() and len(value) <= 16 and int(value) <= MAX_CAP):
        raise InvalidInput(field, f"must be a whole number of {kind.units_label}, at most {MAX_CAP}")
    return int(value)
