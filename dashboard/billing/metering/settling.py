"""Usage that no meter can be told any more: it becomes an open proposal, and is not owed again.

That is usage older than Stripe's meters accept, and whatever changed after the invoice of its period was final. In one
transaction the proposal is written and the buckets' claims are settled, so a crash leaves both or neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.billing.invoices.proposals import propose
from dashboard.billing.ledger.usage_types import LEVELS
from dashboard.billing.metering.owed import CHANGED, FINAL_INVOICE, IN_PERIOD, scope
from dashboard.billing.plans.plans import catalog
from dashboard.billing.plans.pricing import cost_of, metered_prices, tiers_of_period
from dashboard.database import lock_object
from dashboard.models import BillingProposal, ProposalKind, ProposalState

_UNSENDABLE = f"(r.bucket_start < :oldest OR (p.ends_at <= :now AND EXISTS ({FINAL_INVOICE})))"

_TENANTS = text(
    f"""
    SELECT DISTINCT r.tenant_id
      FROM usage_rollups r JOIN billing_periods p ON {IN_PERIOD}
     WHERE r.tenant_id = ANY(:tenant_ids) AND {CHANGED} AND {_UNSENDABLE}
    """
)

_LOCK = text(
    f"""
    SELECT r.usage_type, r.bucket_start, r.quantity, r.claimed, r.claim_sequence, p.starts_at, p.ends_at, p.plan,
           p.subscription_id, r.bucket_start < :oldest AS is_too_old, ({FINAL_INVOICE} LIMIT 1) AS invoice_id
      FROM usage_rollups r JOIN billing_periods p ON {IN_PERIOD}
     WHERE r.tenant_id = :tenant_id AND {CHANGED} AND {_UNSENDABLE}
     ORDER BY r.usage_type, r.bucket_start
       FOR UPDATE OF r
    """
)

_SETTLE = text(
    """
    UPDATE usage_rollups
       SET settled = settled + quantity - claimed, claimed = quantity, claim_sequence = claim_sequence + 1
     WHERE tenant_id = :tenant_id AND usage_type = :usage_type AND bucket_start = :bucket_start
    """
)

# What was told of a period by now: of a sum all of it, of a level its last reading.
_CLAIMED_SUM = text(
    """
    SELECT COALESCE(sum(claimed), 0) FROM usage_rollups
     WHERE tenant_id = :tenant_id AND usage_type = :usage_type AND bucket_start >= :start AND bucket_start < :stop
    """
)
_CLAIMED_LEVEL = text(
    """
    SELECT claimed FROM usage_rollups
     WHERE tenant_id = :tenant_id AND usage_type = :usage_type AND bucket_start >= :start AND bucket_start < :stop
       AND claim_sequence > 0 AND events > 0
     ORDER BY bucket_start DESC LIMIT 1
    """
)


@dataclass(frozen=True, slots=True)
class Span:
    """A billing period as prices are looked up for it, and the final invoice that bills it, if it is known."""

    starts_at: datetime
    ends_at: datetime
    plan: str | None
    subscription_id: str
    invoice_id: str | None


def list_tenants_to_settle(
    session: Session, tenant_ids: Sequence[int], now: datetime, usage_types: Sequence[str] | None = None
) -> list[int]:
    """Those of these tenants that have usage which no meter can be told any more."""
    return list(session.scalars(_TENANTS, scope(session, now, usage_types, tenant_ids=list(tenant_ids))))


def settle_unsendable(session: Session, tenant_id: int, now: datetime, usage_types: Sequence[str] | None = None) -> int:
    """Propose what of this tenant no meter can be told, and settle its claims. Answers how many buckets."""
    lock_object(session, "proposals-of", tenant_id)
    rows = session.execute(_LOCK, scope(session, now, usage_types, tenant_id=tenant_id)).mappings().all()
    for (usage_type, starts_at), group in groupby(rows, key=lambda row: (row["usage_type"], row["starts_at"])):
        buckets = list(group)
        last = buckets[-1]
        invoice_id = next((row["invoice_id"] for row in buckets if row["invoice_id"]), None)
        span = Span(starts_at, last["ends_at"], last["plan"], last["subscription_id"], invoice_id)
        before = claimed_in(session, tenant_id, usage_type, span)
        for reason, part in _by_reason(buckets):
            _settle(session, tenant_id, usage_type, part)
            after = claimed_in(session, tenant_id, usage_type, span)
            propose_difference(session, tenant_id, usage_type, span, reason, before, after, now)
            before = after
    return len(rows)


def propose_difference(
    session: Session,
    tenant_id: int,
    usage_type: str,
    span: Span,
    reason: str,
    before: int,
    after: int,
    now: datetime,
) -> BillingProposal | None:
    """Propose what a period costs more (or less) at `after` units than at `before`, on top of what is open already.

    The parts of a period add up exactly to its whole, because each is the difference of two totals under its tiers.
    """
    if after == before:
        return None
    lock_object(session, "proposals-of", tenant_id)
    tiers = tiers_of_period(session, tenant_id, span.plan, span.subscription_id).get(usage_type, [])
    price = metered_prices(session, tenant_id, span.plan, span.subscription_id).get(usage_type)
    amount = cost_of(tiers, max(after, 0)) - cost_of(tiers, max(before, 0))
    kind = ProposalKind.INVOICE_ITEM if after > before else ProposalKind.CREDIT_NOTE
    known = _proposals_like(session, tenant_id, usage_type, span, reason, kind)
    waiting = next((each for each in known if each.state == ProposalState.OPEN and each.decided_by is None), None)
    return propose(
        session,
        tenant_id,
        kind=kind,
        usage_type=usage_type,
        quantity=abs(after - before) + (waiting.quantity if waiting else 0),
        amount=abs(amount) + (waiting.amount if waiting else 0),
        currency=price.currency if price else catalog().currency,
        period_start=span.starts_at,
        period_end=span.ends_at,
        reason=reason,
        invoice_id=span.invoice_id,
        key=waiting.dedupe_key
        if waiting
        else f"{reason}:{kind}:{usage_type}:{span.starts_at.isoformat()}:{len(known) + 1}",
        now=now,
    )


def claimed_in(session: Session, tenant_id: int, usage_type: str, span: Span) -> int:
    """What was claimed of a period: a sum, or the last reading of a level."""
    statement = _CLAIMED_LEVEL if usage_type in LEVELS else _CLAIMED_SUM
    where = {"tenant_id": tenant_id, "usage_type": usage_type, "start": span.starts_at, "stop": span.ends_at}
    return int(session.scalar(statement, where) or 0)


def _by_reason(buckets: Sequence[Any]) -> list[tuple[str, list[Any]]]:
    """The buckets by what is wrong with them."""
    found: dict[str, list[Any]] = {}
    for row in buckets:
        owes_less = row["usage_type"] not in LEVELS and row["quantity"] < row["claimed"]
        reason = "correction" if owes_less else "too_old" if row["is_too_old"] else "late"
        found.setdefault(reason, []).append(row)
    return sorted(found.items())


def _settle(session: Session, tenant_id: int, usage_type: str, buckets: Sequence[Any]) -> None:
    session.execute(
        _SETTLE,
        [{"tenant_id": tenant_id, "usage_type": usage_type, "bucket_start": row["bucket_start"]} for row in buckets],
    )


def _proposals_like(
    session: Session, tenant_id: int, usage_type: str, span: Span, reason: str, kind: ProposalKind
) -> Sequence[BillingProposal]:
    return session.scalars(
        select(BillingProposal)
        .where(
            BillingProposal.tenant_id == tenant_id,
            BillingProposal.usage_type == usage_type,
            BillingProposal.period_start == span.starts_at,
            BillingProposal.reason == reason,
            BillingProposal.kind == kind,
        )
        .execution_options(populate_existing=True)
    ).all()
