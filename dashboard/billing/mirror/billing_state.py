"""A tenant's billing state: it follows from the mirror of its subscription and invoices, whatever order they came in.

A sync marks the state stale in its own transaction; an entry point then follows every stale one under the operator's
policy. What a crash leaves stale the sweep follows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from dashboard.billing.errors import PaymentOverdue
from dashboard.billing.mirror.customers import hold_tenants
from dashboard.billing.mirror.mirror_rows import upsert_rows
from dashboard.billing.mirror.payment_policy import PaymentPolicy, decide_access
from dashboard.billing.notices.notices import NoticeKind, ToldNotice, store_notices
from dashboard.billing.outgoing_webhooks.outbox import Announcement, announce_all
from dashboard.billing.plans.plans import PLANS, free_plan
from dashboard.models import Access, BillingState, Invoice, Subscription, Tenant

# A tenant keeps its plan while Stripe still tries to collect (past_due); unpaid and paused give it up.
LIVE = ("active", "trialing", "past_due")
# Which subscription counts where a tenant has several: the first kind there is, and of these the newest.
_RANKS = ("active", "trialing", "past_due", "unpaid", "paused", "incomplete", "canceled", "incomplete_expired")

OTHER_PLAN = "other"


@dataclass(frozen=True, slots=True)
class Debt:
    """What a tenant owes: since when, the oldest invoice, the next try at it, and the sum in minor units."""

    since: datetime
    invoice_id: str
    next_payment_attempt: datetime | None
    amount: int
    currency: str


def mark_stale(session: Session, tenant_ids: Sequence[int], now: datetime) -> None:
    """Note that something under these tenants' states changed. The caller commits, then follows them."""
    upsert_rows(session, BillingState, [_stale(each, now) for each in tenant_ids], only=("stale_since",))


def _stale(tenant_id: int, now: datetime) -> dict[str, object]:
    """A row for a tenant that had none is that of Free."""
    free = free_plan().key
    return {"tenant_id": tenant_id, "plan": free, "entitlements": entitlements_of_plan(free), "stale_since": now}


def list_stale_states(session: Session) -> list[int]:
    """Tenants whose state is to be followed."""
    stale = select(BillingState.tenant_id).where(BillingState.stale_since.is_not(None))
    return list(session.scalars(stale.order_by(BillingState.tenant_id)))


def list_restricted_states(session: Session) -> list[int]:
    """Tenants in grace or reading only: time passes for them, and the policy may change, though Stripe says nothing."""
    restricted = select(BillingState.tenant_id).where(BillingState.access != Access.FULL)
    return list(session.scalars(restricted.order_by(BillingState.tenant_id)))


def follow_state(session: Session, tenant_id: int, policy: PaymentPolicy, now: datetime) -> bool:
    """Bring a tenant's state up to date. True when it changed, which was announced as `billing_state.changed`."""
    return follow_states(session, [tenant_id], policy, now) > 0


def follow_states(session: Session, tenant_ids: Collection[int], policy: PaymentPolicy, now: datetime) -> int:
    """The same for several tenants in one transaction; answers how many changed."""
    hold_tenants(session, tenant_ids)
    subscriptions = _subscriptions_that_count(session, tenant_ids)
    told: list[Announcement] = []
    notices: list[ToldNotice] = []
    for state in session.scalars(
        select(BillingState).where(BillingState.tenant_id.in_(tenant_ids)).execution_options(populate_existing=True)
    ):
        before, was = _announced(state), _weighty(state)
        _follow(session, state, subscriptions.get(state.tenant_id), policy, now)
        if _weighty(state) != was:
            state.revision += 1
            state.changed_at = now
            data = {**as_json(state), "previous": before}
            key = f"billing_state.changed:{state.revision}"
            told.append(Announcement(state.tenant_id, "billing_state.changed", data, key))
            if state.access == Access.READ_ONLY != before["access"]:
                owed = {name: data[name] for name in ("invoice_id", "amount_owed", "currency", "status")}
                key = f"sending.stopped:{state.revision}"
                notices.append(ToldNotice(state.tenant_id, NoticeKind.SENDING_STOPPED, owed, key))
    session.flush()
    announce_all(session, told, now)
    store_notices(session, notices, now)
    return len(told)


def _follow(
    session: Session, state: BillingState, subscription: Subscription | None, policy: PaymentPolicy, now: datetime
) -> None:
    _follow_subscription(state, subscription)
    debt = _find_debt(session, subscription, state, now) if subscription else None
    state.delinquent_since = debt.since if debt else None
    state.invoice_id = debt.invoice_id or None if debt else None
    state.next_payment_attempt = debt.next_payment_attempt if debt else None
    state.amount_owed = debt.amount if debt else 0
    state.currency = debt.currency or None if debt else None
    decision = decide_access(state.status, state.delinquent_since, now, policy)
    state.access, state.read_only_at = decision.access, decision.read_only_at
    state.entitlements = _entitlements(state)
    state.stale_since = None


def note_features(session: Session, features: Mapping[int, tuple[str, ...]], now: datetime) -> None:
    """Keep what Stripe says these tenants' customers are entitled to; their states follow."""
    rows = [{**_stale(each, now), "stripe_features": sorted(features[each])} for each in features]
    upsert_rows(session, BillingState, rows, only=("stale_since", "stripe_features"))


def find_state(session: Session, tenant_id: int) -> BillingState:
    """The tenant's state; one that was never stored is Free and owes nothing."""
    return state_or_free(tenant_id, session.get(BillingState, tenant_id))


def state_or_free(tenant_id: int, found: BillingState | None) -> BillingState:
    """The state that was found, or that of a tenant that never bought."""
    return found or BillingState(
        tenant_id=tenant_id,
        plan=free_plan().key,
        status="none",
        access=Access.FULL,
        amount_owed=0,
        entitlements=entitlements_of_plan(free_plan().key),
        revision=0,
    )


def require_paid(session: Session, tenant_id: int, now: datetime) -> None:
    """Stop an action of a tenant that reads only; a grace ends to the second, whether or not a job has run since.

    Raises `PaymentOverdue`.
    """
    state = session.get(BillingState, tenant_id, populate_existing=True)
    if state is not None and state.is_stopped(now):
        raise PaymentOverdue(state.status, state.invoice_id)


def list_delinquent(session: Session, *, limit: int = 100) -> list[tuple[Tenant, BillingState]]:
    """Who owes or is stopped, the longest first: what staff see."""
    rows = session.execute(
        select(Tenant, BillingState)
        .join(BillingState, BillingState.tenant_id == Tenant.id)
        .where(text("billing_states.access <> 'full' OR billing_states.delinquent_since IS NOT NULL"))  # as its index
        .order_by(BillingState.delinquent_since.nulls_last(), BillingState.tenant_id)
        .limit(limit)
    )
    return [(tenant, state) for tenant, state in rows]


def entitlements_of_plan(plan: str) -> list[str]:
    """The features that the catalogue gives a plan: what counts where Stripe tells of none."""
    return sorted(PLANS[plan].features) if plan in PLANS else []


def as_json(state: BillingState) -> dict[str, object]:
    """A state for machines. Times are ISO 8601, money is minor units."""
    return {
        **_announced(state),
        "interval": state.interval,
        "subscription_id": state.subscription_id,
        "period_start": _iso(state.period_start),
        "period_end": _iso(state.period_end),
        "cancel_at": _iso(state.cancel_at),
        "amount_owed": state.amount_owed,
        "currency": state.currency,
        "next_payment_attempt": _iso(state.next_payment_attempt),
    }


def _announced(state: BillingState) -> dict[str, object]:
    """What of a state a message tells, of now and of before."""
    return {
        "plan": state.plan,
        "status": state.status,
        "access": state.access,
        "read_only_at": _iso(state.read_only_at),
        "delinquent_since": _iso(state.delinquent_since),
        "invoice_id": state.invoice_id,
        "entitlements": list(state.entitlements),
    }


def _weighty(state: BillingState) -> tuple[object, ...]:
    """What makes a message. Since when, and which invoice, may be known a moment later than that something is owed."""
    return (state.plan, state.status, state.access, state.delinquent_since is None, tuple(state.entitlements))


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _subscriptions_that_count(session: Session, tenant_ids: Collection[int]) -> dict[int, Subscription]:
    """Each tenant's one that runs; else the one that could run again; else the one that ended last."""
    ranks = {status: n for n, status in enumerate(_RANKS)}
    found: dict[int, Subscription] = {}
    for each in session.scalars(
        select(Subscription)
        .where(Subscription.tenant_id.in_(tenant_ids))
        .order_by(Subscription.tenant_id, Subscription.created_at.desc())
    ):
        best = found.setdefault(each.tenant_id, each)
        if ranks.get(each.status, len(ranks)) < ranks.get(best.status, len(ranks)):
            found[each.tenant_id] = each
    return found


def _follow_subscription(state: BillingState, subscription: Subscription | None) -> None:
    state.status = subscription.status if subscription else "none"
    is_live = subscription is not None and subscription.status in LIVE
    # A live subscription at a price nobody knows is on no plan of ours, and never silently on Free.
    state.plan = (subscription.plan or OTHER_PLAN) if subscription and is_live else free_plan().key
    state.subscription_id = subscription.id if subscription else None
    state.interval = subscription.interval if subscription else None
    state.period_start = subscription.current_period_start if subscription else None
    state.period_end = subscription.current_period_end if subscription else None
    state.cancel_at = subscription.cancel_at if subscription else None


def _find_debt(session: Session, subscription: Subscription, state: BillingState, now: datetime) -> Debt | None:
    """What is owed on a subscription that is not in order: its open invoices that were tried or are due.

    Since when follows from the invoices alone, so from the same facts in any order. While a past-due subscription's
    invoice has not reached us yet, it is since we first knew.
    """
    if subscription.status in {"active", "trialing", "incomplete"}:
        return None
    owed = session.scalars(
        select(Invoice)
        .where(
            Invoice.tenant_id == subscription.tenant_id,
            Invoice.subscription_id == subscription.id,
            Invoice.status == "open",
            Invoice.amount_remaining > 0,
            or_(Invoice.payment_attempts > 0, Invoice.due_at <= now),
        )
        .order_by(Invoice.created_at, Invoice.id)
    ).all()
    if owed:
        oldest = owed[0]
        tries = [each.next_payment_attempt for each in owed if each.next_payment_attempt]
        return Debt(
            since=oldest.due_at or oldest.finalized_at or oldest.created_at,
            invoice_id=oldest.id,
            next_payment_attempt=min(tries, default=None),
            amount=sum(each.amount_remaining for each in owed),
            currency=oldest.currency,
        )
    if subscription.status in {"past_due", "unpaid"}:
        return Debt(state.delinquent_since or now, "", None, 0, "")
    return None


def _entitlements(state: BillingState) -> list[str]:
    """Stripe's own where it told of any; else what the plan entitles to."""
    return sorted(state.stripe_features) if state.stripe_features else entitlements_of_plan(state.plan)
