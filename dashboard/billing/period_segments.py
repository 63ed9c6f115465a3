"""Stripe's periods cut where a plan was changed inside one: each stretch is billed, and counted, under its own plan.

Stripe does not move a period's start when a plan changes. That there was a change is told by the invoice lines that
billed the usage before it; so the stretches follow from our mirror alone, whatever order it was filled in.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from dashboard.billing.periods import learn_period
from dashboard.billing.plan_mapping import plan_of_lines
from dashboard.billing.rollups import rebucket
from dashboard.models import BillingPeriod, CatalogPrice, Invoice, InvoiceLine, Subscription

Stretch = tuple[datetime, datetime, str | None]


def learn_stretches(
    session: Session,
    tenant_id: int,
    *,
    starts_at: datetime,
    ends_at: datetime,
    subscription_id: str,
    plan: str | None,
) -> None:
    """Store the current period of a subscription: the stretches billed already, and the rest under its plan of now."""
    stretches = _billed(session, tenant_id, subscription_id, (starts_at, ends_at), plan)
    stretches.append((stretches[-1][1] if stretches else starts_at, ends_at, plan))
    gone = session.scalars(
        delete(BillingPeriod)
        .where(
            BillingPeriod.tenant_id == tenant_id,
            BillingPeriod.subscription_id == subscription_id,
            BillingPeriod.starts_at > starts_at,
            BillingPeriod.starts_at.not_in([start for start, _, _ in stretches]),
        )
        .returning(BillingPeriod.starts_at)
    ).all()
    for start, end, its_plan in stretches:
        learn_period(session, tenant_id, starts_at=start, ends_at=end, subscription_id=subscription_id, plan=its_plan)
    for edge in gone:
        rebucket(session, tenant_id, edge)


def learn_billed(session: Session, invoice: Invoice) -> None:
    """A metered line names the stretch it bills: so a period is known even if its own webhooks never came."""
    if invoice.subscription_id is None:
        return
    plans = dict(
        session.execute(
            select(CatalogPrice.price_id, CatalogPrice.plan).where(
                CatalogPrice.price_id.in_([line.price_id for line in invoice.lines])
            )
        ).all()
    )
    spans = {
        (line.period_start, line.period_end): plans.get(line.price_id or "")
        for line in invoice.lines
        if line.usage_type
    }
    told = plan_of_lines(session, [line.price_id for line in invoice.lines if line.price_id])
    known = session.get(Subscription, (invoice.tenant_id, invoice.subscription_id))
    inside = [span for span in spans if known is not None and _is_inside(known, *span)]
    for start, end in sorted(set(spans) - set(inside)):
        learn_period(
            session,
            invoice.tenant_id,
            starts_at=start,
            ends_at=end,
            subscription_id=invoice.subscription_id,
            plan=spans[start, end] or told,
        )
    if known is not None and inside and known.current_period_start and known.current_period_end:
        learn_stretches(
            session,
            invoice.tenant_id,
            starts_at=known.current_period_start,
            ends_at=min(known.current_period_end, known.ended_at or known.current_period_end),
            subscription_id=invoice.subscription_id,
            plan=known.plan,
        )


def _is_inside(known: Subscription, start: datetime, end: datetime) -> bool:
    first, last = known.current_period_start, known.current_period_end
    return first is not None and last is not None and first <= start and end < min(last, known.ended_at or last)


def _billed(
    session: Session, tenant_id: int, subscription_id: str, period: tuple[datetime, datetime], plan: str | None
) -> list[Stretch]:
    """The stretches inside a period that were billed before its end, in order.

    An open invoice of the present plan is that of a change that waits for its payment: it may still come to nothing.
    """
    starts_at, ends_at = period
    rows = session.execute(
        select(InvoiceLine.period_start, InvoiceLine.period_end, CatalogPrice.plan, Invoice.status)
        .join(Invoice, (Invoice.tenant_id == InvoiceLine.tenant_id) & (Invoice.id == InvoiceLine.invoice_id))
        .outerjoin(CatalogPrice, CatalogPrice.price_id == InvoiceLine.price_id)
        .where(
            InvoiceLine.tenant_id == tenant_id,
            Invoice.subscription_id == subscription_id,
            Invoice.status.in_(["paid", "open", "uncollectible"]),
            InvoiceLine.usage_type.is_not(None),
            InvoiceLine.period_start >= starts_at,
            InvoiceLine.period_end > InvoiceLine.period_start,
            InvoiceLine.period_end < ends_at,
        )
        .distinct()
        .order_by(InvoiceLine.period_start, InvoiceLine.period_end)
    )
    found: list[Stretch] = []
    reached = starts_at
    for start, end, its_plan, status in rows:
        if start >= reached and not (status == "open" and its_plan == plan):
            # A stretch without usage has no line: the next one begins where the last one ended.
            found.append((reached, end, its_plan))
            reached = end
    return found
