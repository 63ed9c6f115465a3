"""Telling a tenant that it used 80% or all of what its plan includes: once for each type, amount and billing period."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.billing.outgoing_webhooks import announce
from dashboard.billing.periods import Period, list_periods
from dashboard.billing.plans import catalog
from dashboard.billing.pricing import metered_prices
from dashboard.billing.totals import totals_between
from dashboard.billing.usage_types import USAGE_TYPES
from dashboard.models import Tenant, UsageAlertLook

PERCENTS = (80, 100)
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
    """Announce `usage.threshold_reached` for what was reached and not told yet; answers how many.

    Looks at every period that ran since the last look. The caller commits, then enqueues.
    """
    tenant = session.get_one(Tenant, tenant_id)
    look = session.get(UsageAlertLook, tenant_id)
    since = look.looked_at - OVERLAP if look else now
    told = 0
    for period in list_periods(session, tenant, now):
        if period.ends_at > since:
            told += _announce_period(session, tenant_id, period, now)
    statement = insert(UsageAlertLook).values(tenant_id=tenant_id, looked_at=now)
    session.execute(
        statement.on_conflict_do_update(index_elements=["tenant_id"], set_={"looked_at": statement.excluded.looked_at})
    )
    return told


def _announce_period(session: Session, tenant_id: int, period: Period, now: datetime) -> int:
    prices = metered_prices(session, tenant_id, period.priced_as, period.subscription_id)
    included = {name: price.included for name, price in prices.items()}
    names = [kind.name for kind in catalog().metered if included.get(kind.name)]
    used = totals_between(session, tenant_id, names, period.starts_at, period.ends_at) if names else {}
    told = 0
    for name, quantity in sorted(used.items()):
        for percent in PERCENTS:
            if quantity * 100 >= included[name] * percent:
                told += _announce(session, tenant_id, period, name, quantity, included[name], percent, now)
    return told


def _announce(
    session: Session,
    tenant_id: int,
    period: Period,
    usage_type: str,
    used: int,
    included: int,
    percent: int,
    now: datetime,
) -> bool:
    data = {
        "usage_type": usage_type,
        "label": USAGE_TYPES[usage_type].label,
        "unit": USAGE_TYPES[usage_type].unit,
        "percent": percent,
        "included": included,
        "used": used,
        "plan": period.priced_as,
        "period_start": period.starts_at.isoformat(),
        "period_end": period.ends_at.isoformat(),
    }
    # With the amount in the key, a plan that includes more is a new limit to hear of.
    key = f"usage.threshold_reached:{period.starts_at.isoformat()}:{usage_type}:{included}:{percent}"
    return announce(session, tenant_id, "usage.threshold_reached", data, key=key, now=now)
