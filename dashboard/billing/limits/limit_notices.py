"""Telling a tenant's people that a limit of theirs stops something, and how near the budget is: each once a period."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.limits.alert_rules import Rule
from dashboard.billing.limits.quotas import CapReached
from dashboard.billing.notices.notices import NoticeKind, store_notice
from dashboard.models import Notice, UsageBudget


def tell_refused(session: Session, refusal: CapReached, tenant_id: int, currency: str, now: datetime) -> bool:
    """Tell of an action that a cap or the budget has stopped. The end of what Free includes is told as usage is.

    Answers whether there is something to commit; of many refusals in a period the first is told.
    """
    span = (refusal.period_start, refusal.period_end)
    if refusal.reason == "cap":
        if _is_told(session, tenant_id, _cap_key(span[0], refusal.usage_type, refusal.limit)):
            return False
        return tell_cap_reached(session, tenant_id, span, refusal.usage_type, refusal.limit, refusal.used, now)
    if refusal.reason == "budget":
        if _is_told(session, tenant_id, _stopped_key(span[0], refusal.limit)):
            return False
        return _tell_stopped(session, tenant_id, span, refusal.limit, refusal.used, currency, now)
    return False


def tell_cap_reached(
    session: Session,
    tenant_id: int,
    span: tuple[datetime, datetime],
    usage_type: str,
    cap: int,
    used: int,
    now: datetime,
) -> bool:
    """Tell that a cap stops a usage type from now on, in the billing period `span`."""
    kind = USAGE_TYPES[usage_type]
    data = {
        "usage_type": usage_type,
        "label": kind.label,
        "units_label": kind.units_label,
        "cap": cap,
        "used": used,
        **_period(span),
    }
    key = _cap_key(span[0], usage_type, cap)
    return store_notice(session, tenant_id, NoticeKind.CAP_REACHED, data, key=key, now=now)


def tell_budget(
    session: Session,
    tenant_id: int,
    span: tuple[datetime, datetime],
    budget: UsageBudget,
    cost: int,
    rule: Rule,
    now: datetime,
) -> int:
    """Tell of the percents of the budget that `cost` (minor units) has reached; answers how many were new."""
    told = 0
    is_stopped = budget.stops and cost >= budget.amount
    if is_stopped:
        told += _tell_stopped(session, tenant_id, span, budget.amount, cost, budget.currency, now)
    for percent in rule.percents:
        # Where the budget stops, reaching it is told in those words.
        if cost * 100 < budget.amount * percent or cost == 0 or (is_stopped and percent == 100):
            continue
        data = {
            "percent": percent,
            "amount": budget.amount,
            "cost": cost,
            "currency": budget.currency,
            "stops": budget.stops,
            **_period(span),
        }
        key = f"budget.threshold:{span[0].isoformat()}:{budget.amount}:{percent}"
        told += store_notice(session, tenant_id, NoticeKind.BUDGET_THRESHOLD, data, key=key, now=now)
    return told


def _tell_stopped(
    session: Session,
    tenant_id: int,
    span: tuple[datetime, datetime],
    amount: int,
    cost: int,
    currency: str,
    now: datetime,
) -> bool:
    data = {"amount": amount, "cost": cost, "currency": currency, **_period(span)}
    key = _stopped_key(span[0], amount)
    return store_notice(session, tenant_id, NoticeKind.BUDGET_STOPPED, data, key=key, now=now)


def _period(span: tuple[datetime, datetime]) -> dict[str, str]:
    return {"period_start": span[0].isoformat(), "period_end": span[1].isoformat()}


def _cap_key(start: datetime, usage_type: str, cap: int) -> str:
    return f"cap.reached:{start.isoformat()}:{usage_type}:{cap}"


def _stopped_key(start: datetime, amount: int) -> str:
    return f"budget.stopped:{start.isoformat()}:{amount}"


def _is_told(session: Session, tenant_id: int, key: str) -> bool:
    found = select(Notice.id).where(Notice.tenant_id == tenant_id, Notice.key == key)
    return session.scalar(found) is not None
