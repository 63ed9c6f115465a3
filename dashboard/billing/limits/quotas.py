"""Caps, budgets and unpaid bills stop an action before it happens. Reserve, act, record or release.

A fact is never refused: what has happened is recorded, whatever the cap. So the stop comes before the action, and a
reservation holds its place until the usage is recorded under the same key (which settles it) or the action failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from dashboard.billing.errors import IdempotencyConflict, InvalidInput
from dashboard.billing.ledger.buckets import LEVEL
from dashboard.billing.limits.limits import find_budget, need_sum
from dashboard.billing.mirror.billing_state import require_paid
from dashboard.billing.periods.periods import month_start, next_month
from dashboard.billing.plans.plans import free_plan
from dashboard.billing.plans.pricing import cost_of_all, tiers_of_period
from dashboard.database import lock_object
from dashboard.models import BillingPeriod, UsageCap, UsageEvent, UsageReservation

# Long enough for any call to a provider, short enough that a crash does not hold a tenant's last units for a day.
TTL = timedelta(hours=1)

# One statement, so one moment: what is being recorded just now is either reserved or used, never neither.
_TAKEN = text(
    f"""
    SELECT usage_type, sum(used) AS used, sum(reserved) AS reserved FROM (
        SELECT usage_type,
               CASE WHEN {LEVEL} THEN (array_agg(quantity ORDER BY bucket_start DESC))[1]
                    ELSE sum(quantity) END AS used,
               0 AS reserved
          FROM usage_rollups
         WHERE tenant_id = :tenant_id AND bucket_start >= :start AND bucket_start < :stop AND events > 0
         GROUP BY usage_type
        UNION ALL
        SELECT usage_type, 0, quantity FROM usage_reservations WHERE tenant_id = :tenant_id AND expires_at > :now
    ) AS taken GROUP BY usage_type
    """
)


class CapReached(Exception):
    """The action would pass a limit and must not happen.

    `reason` is "cap" (the tenant's own), "plan" (the allowance of Free) or "budget"; `limit`, `used`, `reserved` and
    `asked` are units of the usage type, or minor units of money for a budget. The limit is that of the billing period
    `[period_start, period_end)`.
    """

    def __init__(
        self,
        usage_type: str,
        reason: str,
        *,
        limit: int,
        used: int,
        reserved: int,
        asked: int,
        period_start: datetime,
        period_end: datetime,
    ) -> None:
        what = {
            "cap": f"the cap of {limit} for this billing period",
            "plan": f"the {limit} that the Free plan includes in a billing period",
            "budget": f"the usage budget of {limit} minor units for this billing period",
        }[reason]
        super().__init__(f"{usage_type}: {asked} more would pass {what}; {used} used, {reserved} reserved")
        self.usage_type = usage_type
        self.reason = reason
        self.limit = limit
        self.used = used
        self.reserved = reserved
        self.asked = asked
        self.period_start = period_start
        self.period_end = period_end


@dataclass(frozen=True, slots=True)
class _Span:
    start: datetime
    stop: datetime
    # Free's without a subscription; None on a plan that is none of ours, which has no cap of its own.
    plan: str | None
    subscription_id: str | None


def reserve(
    session: Session,
    tenant_id: int,
    usage_type: str,
    quantity: int,
    *,
    key: str,
    now: datetime,
    ttl: timedelta = TTL,
) -> None:
    """Put units aside for an action that is about to happen; the same key again changes nothing.

    Without a cap or stopping budget that concerns the type nothing is locked or written. The reservation is settled by
    recording the usage under the same key, or by `settle`; `release` gives it back. It is forgotten after `ttl`.

    Raises `PaymentOverdue` (the tenant reads only until it has paid), `CapReached`, `InvalidInput` (a type that cannot
    be reserved), `IdempotencyConflict` (the key holds a place for something else).
    """
    need_sum(usage_type)
    if quantity < 0:
        raise InvalidInput("quantity", "must be 0 or more")
    require_paid(session, tenant_id, now)
    span = _span(session, tenant_id, now)
    cap, reason = _cap(session, tenant_id, usage_type, span)
    budget = find_budget(session, tenant_id)
    if budget is not None and not budget.stops:
        budget = None
    if cap is None and budget is None:
        return
    # From here to the caller's commit only one action of this tenant is weighed at a time.
    lock_object(session, "quota-of", tenant_id)
    if _is_held(session, tenant_id, key, (usage_type, quantity), now):
        return
    taken = {
        row.usage_type: (int(row.used), int(row.reserved))
        for row in session.execute(_TAKEN, {"tenant_id": tenant_id, "start": span.start, "stop": span.stop, "now": now})
    }
    used, reserved = taken.get(usage_type, (0, 0))
    if cap is not None and used + reserved + quantity > cap:
        raise CapReached(
            usage_type,
            reason,
            limit=cap,
            used=used,
            reserved=reserved,
            asked=quantity,
            period_start=span.start,
            period_end=span.stop,
        )
    if budget is not None:
        _weigh_budget(session, tenant_id, span, budget.amount, taken, usage_type, quantity)
    _clear_expired(session, tenant_id, now)
    session.add(
        UsageReservation(
            tenant_id=tenant_id,
            key=key,
            usage_type=usage_type,
            quantity=quantity,
            reserved_at=now,
            expires_at=now + ttl,
        )
    )
    session.flush()


def release(session: Session, tenant_id: int, key: str) -> bool:
    """Give a reservation back: the action failed or will not happen. False when there is none."""
    found = session.execute(
        delete(UsageReservation)
        .where(UsageReservation.tenant_id == tenant_id, UsageReservation.key == key)
        .returning(UsageReservation.key)
    )
    return found.first() is not None


def find_reservation(session: Session, tenant_id: int, key: str) -> UsageReservation | None:
    """The reservation under this key, if one is held."""
    return session.get(UsageReservation, (tenant_id, key), populate_existing=True)


def settle(session: Session, tenant_id: int, key: str) -> None:
    """End a reservation in the transaction that records its usage, where that has another key."""
    release(session, tenant_id, key)


def _span(session: Session, tenant_id: int, now: datetime) -> _Span:
    """The billing period of this moment, or the calendar month where there is no subscription."""
    period = session.scalars(
        select(BillingPeriod).where(
            BillingPeriod.tenant_id == tenant_id, BillingPeriod.starts_at <= now, BillingPeriod.ends_at > now
        )
    ).first()
    if period is not None:
        return _Span(period.starts_at, period.ends_at, period.plan, period.subscription_id)
    last_end = session.scalars(
        select(BillingPeriod.ends_at)
        .where(BillingPeriod.tenant_id == tenant_id, BillingPeriod.ends_at <= now)
        .order_by(BillingPeriod.ends_at.desc())
        .limit(1)
    ).first()
    start = max(month_start(now), last_end or month_start(now))
    return _Span(start, next_month(now), free_plan().key, None)


def _cap(session: Session, tenant_id: int, usage_type: str, span: _Span) -> tuple[int | None, str]:
    """The lower of the tenant's own cap and, without a subscription, what Free includes; and which of them it is."""
    own = session.scalar(
        select(UsageCap.quantity).where(UsageCap.tenant_id == tenant_id, UsageCap.usage_type == usage_type)
    )
    included = free_plan().included(usage_type) if span.plan == free_plan().key else None
    if included is not None and (own is None or included < own):
        return included, "plan"
    return own, "cap"


def _is_held(session: Session, tenant_id: int, key: str, asked: tuple[str, int], now: datetime) -> bool:
    """Whether this action has its place already: reserved, or recorded. A place for less would let more through."""
    held = session.get(UsageReservation, (tenant_id, key), populate_existing=True)
    if held is not None and held.expires_at > now:
        if (held.usage_type, held.quantity) != asked:
            raise IdempotencyConflict(key)
        return True
    recorded = select(UsageEvent.id).where(UsageEvent.tenant_id == tenant_id, UsageEvent.idempotency_key == key)
    return session.scalars(recorded).first() is not None


def _weigh_budget(
    session: Session,
    tenant_id: int,
    span: _Span,
    amount: int,
    taken: dict[str, tuple[int, int]],
    usage_type: str,
    quantity: int,
) -> None:
    tiers = tiers_of_period(session, tenant_id, span.plan, span.subscription_id)
    used = cost_of_all(tiers, {name: used for name, (used, _) in taken.items()})
    before = {name: used + reserved for name, (used, reserved) in taken.items()}
    held = cost_of_all(tiers, before)
    after = cost_of_all(tiers, before | {usage_type: before.get(usage_type, 0) + quantity})
    # An action that costs nothing passes even where late usage has used the budget up.
    if after > amount and after > held:
        raise CapReached(
            usage_type,
            "budget",
            limit=amount,
            used=used,
            reserved=held - used,
            asked=after - held,
            period_start=span.start,
            period_end=span.stop,
        )


def _clear_expired(session: Session, tenant_id: int, now: datetime) -> None:
    session.execute(
        delete(UsageReservation).where(UsageReservation.tenant_id == tenant_id, UsageReservation.expires_at <= now)
    )
