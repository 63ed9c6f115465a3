"""Stripe's periods cut where a plan was changed inside one: each stretch is billed, and counted, under its own plan.

Stripe does not move a period's start when a plan changes. That there was a change is told by the invoice lines that
billed the usage before it; so the stretches follow from our mirror alone, whatever order it was filled in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.mirror.mirror import Mirror
from dashboard.billing.periods.period_learning import ToldPeriod, forget_periods, learn_periods, read_periods
from dashboard.billing.plans.known_prices import KnownPrices
from dashboard.billing.ports.invoices import InvoiceFacts
from dashboard.models import CatalogPrice, Invoice, InvoiceLine, Subscription

# Of a subscription: (tenant id, subscription id).
Key = tuple[int, str]


@dataclass(frozen=True, slots=True)
class BilledStretch:
    """The span of an invoice line that bills usage, the plan of its price, and its invoice's status."""

    starts_at: datetime
    ends_at: datetime
    plan: str | None
    status: str


def learn_stretches(mirror: Mirror, periods: Sequence[ToldPeriod]) -> None:
    """Store current periods of subscriptions: the stretches billed already, and the rest under the plan of now."""
    if not periods:
        return
    session = mirror.session
    billed, known = _read_billed(session, periods), read_periods(session, periods)
    told: list[ToldPeriod] = []
    gone: set[tuple[int, datetime]] = set()
    for period in periods:
        stretches = _cut(period, billed.get((period.tenant_id, period.subscription_id), ()))
        told += stretches
        kept = {each.key for each in stretches}
        gone |= {
            key
            for key, each in known.items()
            if key not in kept
            and each.starts_at > period.starts_at
            and (each.tenant_id, each.subscription_id) == (period.tenant_id, period.subscription_id)
        }
    forget_periods(session, gone)
    for key in gone:
        del known[key]
    mirror.cut(gone | learn_periods(session, told, known))


def learn_billed(mirror: Mirror, invoices: Sequence[tuple[int, InvoiceFacts]], prices: KnownPrices) -> None:
    """A metered line names the stretch it bills: so a period is known even if its own webhooks never came.

    `invoices` are written already, each with its tenant.
    """
    subscriptions = _read_subscriptions(mirror.session, invoices)
    told: list[ToldPeriod] = []
    inside: dict[Key, ToldPeriod] = {}
    for tenant_id, invoice in invoices:
        if invoice.subscription_id is None:
            continue
        key = tenant_id, invoice.subscription_id
        current = subscriptions.get(key)
        for (start, end), plan in _spans(invoice, prices).items():
            if current and current.starts_at <= start and end < current.ends_at:
                inside[key] = current
            else:
                told.append(ToldPeriod(tenant_id, start, end, invoice.subscription_id, plan))
    mirror.cut(learn_periods(mirror.session, told, read_periods(mirror.session, told)))
    learn_stretches(mirror, list(inside.values()))


def _spans(invoice: InvoiceFacts, prices: KnownPrices) -> dict[tuple[datetime, datetime], str | None]:
    """The stretches that an invoice bills usage of, in order, with their plans."""
    told = prices.plan_of_lines([line.price_id for line in invoice.lines if line.price_id])
    spans = {
        (line.period_start, line.period_end): prices.plan_of(line.price_id) or told
        for line in invoice.lines
        if prices.usage_type_of(line.price_id)
    }
    return dict(sorted(spans.items()))


def _read_subscriptions(session: Session, invoices: Sequence[tuple[int, InvoiceFacts]]) -> dict[Key, ToldPeriod]:
    """The current periods of the invoices' subscriptions, each up to its end; those that have one."""
    wanted = [(tenant_id, each.subscription_id) for tenant_id, each in invoices if each.subscription_id]
    found = {}
    for row in session.execute(
        select(
            Subscription.tenant_id,
            Subscription.id,
            Subscription.current_period_start,
            Subscription.current_period_end,
            Subscription.ended_at,
            Subscription.plan,
        ).where(
            Subscription.tenant_id.in_({tenant_id for tenant_id, _ in wanted}),
            Subscription.id.in_({subscription_id for _, subscription_id in wanted}),
        )
    ):
        start, end = row.current_period_start, row.current_period_end
        if start is not None and end is not None:
            period = ToldPeriod(row.tenant_id, start, min(end, row.ended_at or end), row.id, row.plan)
            found[row.tenant_id, row.id] = period
    return found


def _cut(period: ToldPeriod, billed: Collection[BilledStretch]) -> list[ToldPeriod]:
    """The stretches of a period that were billed before its end, in order, and the rest of it.

    An open invoice of the present plan is that of a change that waits for its payment: it may still come to nothing.
    """
    found: list[ToldPeriod] = []
    reached = period.starts_at
    for each in billed:
        if each.ends_at >= period.ends_at or (each.status == "open" and each.plan == period.plan):
            continue
        if each.starts_at >= reached:
            # A stretch without usage has no line: the next one begins where the last one ended.
            found.append(ToldPeriod(period.tenant_id, reached, each.ends_at, period.subscription_id, each.plan))
            reached = each.ends_at
    found.append(ToldPeriod(period.tenant_id, reached, period.ends_at, period.subscription_id, period.plan))
    return found


def _read_billed(session: Session, periods: Sequence[ToldPeriod]) -> Mapping[Key, list[BilledStretch]]:
    """What was billed of these subscriptions since the earliest of these periods, in order."""
    rows = session.execute(
        select(
            InvoiceLine.tenant_id,
            Invoice.subscription_id,
            InvoiceLine.period_start,
            InvoiceLine.period_end,
            CatalogPrice.plan,
            Invoice.status,
        )
        .join(Invoice, (Invoice.tenant_id == InvoiceLine.tenant_id) & (Invoice.id == InvoiceLine.invoice_id))
        .outerjoin(CatalogPrice, CatalogPrice.price_id == InvoiceLine.price_id)
        .where(
            InvoiceLine.tenant_id.in_({each.tenant_id for each in periods}),
            Invoice.subscription_id.in_({each.subscription_id for each in periods}),
            Invoice.status.in_(["paid", "open", "uncollectible"]),
            InvoiceLine.usage_type.is_not(None),
            InvoiceLine.period_start >= min(each.starts_at for each in periods),
            InvoiceLine.period_end > InvoiceLine.period_start,
            InvoiceLine.period_end < max(each.ends_at for each in periods),
        )
        .distinct()
        .order_by(InvoiceLine.period_start, InvoiceLine.period_end)
    )
    found: dict[Key, list[BilledStretch]] = {}
    for row in rows:
        stretch = BilledStretch(row.period_start, row.period_end, row.plan, row.status)
        found.setdefault((row.tenant_id, row.subscription_id or ""), []).append(stretch)
    return found
