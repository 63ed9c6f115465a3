"""Telling a tenant how far its usage and its cost have come: once for each threshold, amount and billing period.

Its servers hear of percents of what the plan includes by a webhook; its people hear of those, of numbers of units, of
caps and of the budget by notices. Which percents and numbers, the tenant's rules say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.billing.ledger.totals import totals_between
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.limits.alert_rules import BUDGET, Rule, list_rules
from dashboard.billing.limits.limit_notices import tell_budget, tell_cap_reached
from dashboard.billing.limits.limits import find_budget, list_caps
from dashboard.billing.notices.notices import NoticeKind, store_notice
from dashboard.billing.outgoing_webhooks.outgoing_webhooks import announce
from dashboard.billing.periods.periods import Period, list_periods
from dashboard.billing.plans.plans import catalog
from dashboard.billing.plans.pricing import cost_of_all, metered_prices, tiers_of
from dashboard.models import Tenant, UsageAlertLook, UsageBudget

# A transaction may commit after a look that began later: so each look goes back a little.
OVERLAP = timedelta(minutes=5)

# The newest row of each tenant is one step down its primary key, however long its history.
_CHANGED = text(
    """
    SELECT t.id FROM tenants t
     CROSS JOIN LATERAL (SELECT u.recorded_at FROM billing_usage u WHERE u.tenant_id = t.id
                          ORDER BY u.id DESC LIMIT 1) AS newest
      LEFT JOIN usage_alert_looks l ON l.tenant_id = t.id
     WHERE l.looked_at IS NULL OR newest.recorded_at > l.looked_at - :overlap
     ORDER BY t.id
    """
)


def list_changed_tenants(session: Session) -> list[int]:
    """Tenants with usage recorded since the last look, or shortly before it."""
    return list(session.scalars(_CHANGED, {"overlap": OVERLAP}))


def announce_thresholds(session: Session, tenant_id: int, now: datetime) -> int:
    """Tell of every threshold, cap and budget that was reached and not told yet; answers how many.

    Looks at every period that ran since the last look. The caller commits, then enqueues.
    """
    tenant = session.get_one(Tenant, tenant_id)
    look = session.get(UsageAlertLook, tenant_id)
    since = look.looked_at - OVERLAP if look else now
    wishes = _Wishes(list_rules(session, tenant_id), list_caps(session, tenant_id), find_budget(session, tenant_id))
    told = 0
    for period in list_periods(session, tenant, now):
        if period.ends_at > since:
            told += _look_at(session, tenant_id, period, wishes, now)
    statement = insert(UsageAlertLook).values(tenant_id=tenant_id, looked_at=now)
    session.execute(
        statement.on_conflict_do_update(index_elements=["tenant_id"], set_={"looked_at": statement.excluded.looked_at})
    )
    return told


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What the tenant wants to be told of."""

    rules: dict[str, Rule]
    caps: dict[str, int]
    budget: UsageBudget | None


def _look_at(session: Session, tenant_id: int, period: Period, wishes: _Wishes, now: datetime) -> int:
    prices = metered_prices(session, tenant_id, period.priced_as, period.subscription_id)
    included = {name: price.included for name, price in prices.items()}
    metered = {kind.name for kind in catalog().metered if included.get(kind.name) or wishes.budget}
    counted = {name for name, rule in wishes.rules.items() if rule.units}
    names = sorted(metered | counted | wishes.caps.keys())
    used = totals_between(session, tenant_id, names, period.starts_at, period.ends_at) if names else {}
    span = (period.starts_at, period.ends_at)
    told = 0
    for name, quantity in sorted(used.items()):
        told += _tell_usage(session, tenant_id, period, name, quantity, included.get(name) or 0, wishes, now)
        if name in wishes.caps and quantity >= wishes.caps[name]:
            told += tell_cap_reached(session, tenant_id, span, name, wishes.caps[name], quantity, now)
    if wishes.budget is not None:
        cost = cost_of_all(tiers_of(prices, period.priced_as), used)
        told += tell_budget(session, tenant_id, span, wishes.budget, cost, wishes.rules[BUDGET], now)
    return told


def _tell_usage(
    session: Session,
    tenant_id: int,
    period: Period,
    usage_type: str,
    used: int,
    included: int,
    wishes: _Wishes,
    now: datetime,
) -> int:
    kind, rule = USAGE_TYPES[usage_type], wishes.rules[usage_type]
    told, start = 0, period.starts_at.isoformat()
    facts = {
        "usage_type": usage_type,
        "label": kind.label,
        "used": used,
        "period_start": start,
        "period_end": period.ends_at.isoformat(),
    }
    for percent in rule.percents if included else ():
        if used * 100 >= included * percent:
            told += _tell_percent(session, tenant_id, facts, included, percent, period.priced_as, now)
    for units in rule.units:
        if used >= units:
            data = {**facts, "units_label": kind.units_label, "threshold": units}
            key = f"usage.units_reached:{start}:{usage_type}:{units}"
            told += store_notice(session, tenant_id, NoticeKind.USAGE_UNITS, data, key=key, now=now)
    return told


def _tell_percent(
    session: Session,
    tenant_id: int,
    facts: dict[str, Any],
    included: int,
    percent: int,
    plan: str | None,
    now: datetime,
) -> bool:
    kind = USAGE_TYPES[facts["usage_type"]]
    data = {**facts, "unit": kind.unit, "percent": percent, "included": included, "plan": plan}
    # With the amount in the key, a plan that includes more is a new limit to hear of.
    key = f"usage.threshold_reached:{facts['period_start']}:{kind.name}:{included}:{percent}"
    is_new = announce(session, tenant_id, "usage.threshold_reached", data, key=key, now=now)
    if is_new:
        words = {**data, "units_label": kind.units_label}
        store_notice(session, tenant_id, NoticeKind.USAGE_THRESHOLD, words, key=key, now=now)
    return is_new
