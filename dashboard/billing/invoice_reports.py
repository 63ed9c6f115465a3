"""Invoices as pages show them: the list, and one with the ledger's figure behind each metered line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.errors import NotFound
from dashboard.billing.plans import plan_name
from dashboard.billing.totals import total_between
from dashboard.billing.usage_types import USAGE_TYPES, UsageType
from dashboard.models import CatalogPrice, Invoice, InvoiceLine

STATUS_LABELS = {
    "draft": "Draft",
    "open": "Open",
    "paid": "Paid",
    "void": "Void",
    "uncollectible": "Uncollectible",
}


@dataclass(frozen=True, slots=True)
class InvoiceSummary:
    """One row of the list of invoices."""

    id: str
    number: str | None
    status: str
    status_label: str
    total: int
    amount_due: int
    currency: str
    period_start: datetime
    period_end: datetime
    created_at: datetime
    hosted_invoice_url: str | None


@dataclass(frozen=True, slots=True)
class TierLine:
    """One Stripe line: what one tier of a price cost."""

    description: str
    quantity: int
    unit_amount_decimal: Decimal | None
    amount: int


@dataclass(frozen=True, slots=True)
class LineGroup:
    """All lines of one price and period, with what our ledger counts for the same period."""

    label: str
    unit_label: str | None
    quantity: int
    amount: int
    period_start: datetime
    period_end: datetime
    usage_type: UsageType | None
    ledger_quantity: int | None
    tiers: list[TierLine]

    @property
    def matches(self) -> bool | None:
        """Whether Stripe billed exactly what the ledger holds; None for lines that bill no usage."""
        return None if self.ledger_quantity is None else self.ledger_quantity == self.quantity


@dataclass(frozen=True, slots=True)
class InvoiceDetail:
    """An invoice as its page shows it."""

    invoice: Invoice
    plan_label: str | None
    groups: list[LineGroup]

    @property
    def status_label(self) -> str:
        """The status in a word."""
        return STATUS_LABELS.get(self.invoice.status, self.invoice.status)

    def __getattr__(self, name: str) -> object:
        return getattr(self.invoice, name)


def list_invoices(session: Session, tenant_id: int, *, limit: int = 100) -> list[InvoiceSummary]:
    """The tenant's invoices, newest first."""
    rows = session.scalars(
        select(Invoice)
        .where(Invoice.tenant_id == tenant_id)
        .order_by(Invoice.created_at.desc(), Invoice.id.desc())
        .limit(limit)
    )
    return [
        InvoiceSummary(
            row.id,
            row.number,
            row.status,
            STATUS_LABELS.get(row.status, row.status),
            row.total,
            row.amount_due,
            row.currency,
            *_covered(row),
            row.created_at,
            row.hosted_invoice_url,
        )
        for row in rows
    ]


def _covered(invoice: Invoice) -> tuple[datetime, datetime]:
    """The usage period where there is one, else the period of the base fee.

    `period_start` and `period_end` of a Stripe invoice only bound its invoice items.
    """
    spans = [(line.period_start, line.period_end) for line in invoice.lines if line.usage_type]
    spans = spans or [(line.period_start, line.period_end) for line in invoice.lines]
    if not spans:
        return invoice.period_start, invoice.period_end
    return min(start for start, _ in spans), max(end for _, end in spans)


def find_invoice(session: Session, tenant_id: int, invoice_id: str) -> InvoiceDetail:
    """One invoice of this tenant.

    Raises `NotFound`, for another tenant's invoice as for none.
    """
    invoice = session.get(Invoice, (tenant_id, invoice_id))
    if invoice is None:
        raise NotFound(f"no invoice {invoice_id}")
    prices = {
        price.price_id: price
        for price in session.scalars(
            select(CatalogPrice).where(CatalogPrice.price_id.in_([line.price_id for line in invoice.lines]))
        )
    }
    plan = next((plan_name(price.plan) for price in prices.values()), None)
    ordered = sorted(invoice.lines, key=lambda line: (line.usage_type is not None, line.position))
    groups = [
        _group(session, list(lines), prices)
        for _, lines in groupby(ordered, key=lambda line: (line.price_id, line.period_start, line.proration))
    ]
    return InvoiceDetail(invoice, plan, groups)


def _group(session: Session, lines: Sequence[InvoiceLine], prices: dict[str, CatalogPrice]) -> LineGroup:
    first = lines[0]
    kind = USAGE_TYPES.get(first.usage_type or "")
    price = prices.get(first.price_id or "")
    label = kind.label if kind else first.description or "Charge"
    if kind is None and price is not None and not first.proration:
        label = f"{plan_name(price.plan)} plan, {price.interval}"
    ledger = None
    if kind:
        ledger = total_between(session, first.tenant_id, kind, first.period_start, first.period_end)
    return LineGroup(
        label=label,
        unit_label=kind.units_label if kind else None,
        quantity=sum(line.quantity or 0 for line in lines),
        amount=sum(line.amount for line in lines),
        period_start=first.period_start,
        period_end=first.period_end,
        usage_type=kind,
        ledger_quantity=ledger,
        tiers=[
            TierLine(line.description or label, line.quantity or 0, line.unit_amount_decimal, line.amount)
            for line in lines
        ]
        if kind
        else [],
    )
