"""A tenant's invoices page by page: filtered, newest first, with a cursor that holds while new ones come."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.models import Invoice

STATUSES = ("draft", "open", "paid", "void", "uncollectible")


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """Which invoices: of one status, created in `[start, stop)`; None does not filter."""

    status: str | None = None
    start: datetime | None = None
    stop: datetime | None = None


@dataclass(frozen=True, slots=True)
class InvoicePage:
    """A page of invoices, and the cursor of the next one (None at the end)."""

    invoices: list[Invoice]
    next_cursor: str | None


def list_invoice_page(
    session: Session, tenant_id: int, wanted: InvoiceFilter, *, cursor: str | None = None, limit: int = 20
) -> InvoicePage:
    """One page.

    Raises `InvalidInput` (`cursor`) for anything that was not given out as one.
    """
    query = select(Invoice).where(Invoice.tenant_id == tenant_id)
    if wanted.status is not None:
        query = query.where(Invoice.status == wanted.status)
    if wanted.start is not None:
        query = query.where(Invoice.created_at >= wanted.start)
    if wanted.stop is not None:
        query = query.where(Invoice.created_at < wanted.stop)
    if cursor is not None:
        query = query.where(tuple_(Invoice.created_at, Invoice.id) < _decode(cursor))
    rows = list(session.scalars(query.order_by(Invoice.created_at.desc(), Invoice.id.desc()).limit(limit + 1)))
    page = rows[:limit]
    return InvoicePage(page, _encode(page[-1]) if len(rows) > limit else None)


def _encode(invoice: Invoice) -> str:
    return _written(invoice.created_at, invoice.id)


def _written(created_at: datetime, invoice_id: str) -> str:
    position = f"{int(created_at.timestamp())}|{invoice_id}"
    return urlsafe_b64encode(position.encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[datetime, str]:
    try:
        seconds, _, invoice_id = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition("|")
        created_at = datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        created_at, invoice_id = datetime.min.replace(tzinfo=UTC), ""
    if "\x00" in invoice_id or not invoice_id or _written(created_at, invoice_id) != cursor:
        raise InvalidInput("cursor", "must be the next_cursor of an answer, unchanged")
    return created_at, invoice_id
