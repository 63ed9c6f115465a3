"""Which of a tenant's invoices a list shows, by status, year and search; and how many there are of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, DecimalException

from babel.numbers import get_currency_precision
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from dashboard.billing.fields import MAX_ID
from dashboard.billing.plans.plans import catalog
from dashboard.models import Invoice, InvoiceLine

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class InvoiceQuery:
    """What a list shows: one status, one year of issue (UTC), and `search` in number, id, the lines' words and amounts.

    None leaves all.
    """

    status: str | None = None
    search: str | None = None
    year: int | None = None


EVERYTHING = InvoiceQuery()


@dataclass(frozen=True, slots=True)
class InvoiceCounts:
    """How many invoices a tenant has, by status and by year of issue, the newest year first."""

    statuses: dict[str, int]
    years: dict[int, int]


def count_invoices(session: Session, tenant_id: int) -> InvoiceCounts:
    """How many invoices the tenant has of each status and year, those without any left out."""
    year = func.extract("year", func.timezone("UTC", Invoice.created_at))
    rows = session.execute(
        select(Invoice.status, year, func.count()).where(Invoice.tenant_id == tenant_id).group_by(Invoice.status, year)
    ).all()
    statuses: Counter[str] = Counter()
    years: Counter[int] = Counter()
    for status, issued, count in rows:
        statuses[status] += count
        years[int(issued)] += count
    return InvoiceCounts(dict(statuses), dict(sorted(years.items(), reverse=True)))


def conditions(tenant_id: int, query: InvoiceQuery) -> list[ColumnElement[bool]]:
    """The query as conditions on `Invoice`."""
    found: list[ColumnElement[bool]] = [Invoice.tenant_id == tenant_id]
    if query.status:
        found.append(Invoice.status == query.status)
    if query.year:
        found.append(Invoice.created_at >= datetime(query.year, 1, 1, tzinfo=UTC))
        found.append(Invoice.created_at < datetime(query.year + 1, 1, 1, tzinfo=UTC))
    if query.search:
        of_lines = select(InvoiceLine.invoice_id).where(
            InvoiceLine.tenant_id == tenant_id, InvoiceLine.description.icontains(query.search, autoescape=True)
        )
        found.append(
            or_(
                Invoice.number.icontains(query.search, autoescape=True),
                Invoice.id.icontains(query.search, autoescape=True),
                Invoice.id.in_(of_lines),
                *_amounts(query.search),
            )
        )
    return found


def _amounts(search: str) -> list[ColumnElement[bool]]:
    """Where the search is an amount of money ("1,284.50", "$29"): the invoices whose total or amount due it is."""
    written = search.strip().lstrip("$€£¥").replace(",", "").replace(MINUS, "-")
    try:
        value = Decimal(written) * 10 ** get_currency_precision(catalog().currency.upper())
    except DecimalException:
        return []
    if not value.is_finite() or abs(value) > MAX_ID or value != value.to_integral_value():
        return []
    return [Invoice.total == int(value), Invoice.amount_due == int(value), Invoice.amount_remaining == int(value)]
