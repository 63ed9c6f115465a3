"""Invoices as pages and the API show them: the list with its sums, and one with everything that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select, tuple_
from sqlalchemy.orm import Session, joinedload

from dashboard.billing.errors import NotFound
from dashboard.billing.invoices.invoice_lines import LineGroup, group_lines, plan_of_lines, prices_of_lines
from dashboard.billing.invoices.invoice_search import EVERYTHING, InvoiceQuery, conditions
from dashboard.models import CreditNote, Invoice, InvoiceLine, InvoicePayment, PaymentAttempt, Refund

# Few of each, so one query for all of them; a credit note's lines only where there is one.
_WHOLE = (
    joinedload(Invoice.payments),
    joinedload(Invoice.attempts),
    joinedload(Invoice.refunds),
    joinedload(Invoice.credit_notes).selectinload(CreditNote.lines),
)
STATUS_LABELS = {
    "draft": "Draft",
    "open": "Open",
    "paid": "Paid",
    "void": "Void",
    "uncollectible": "Uncollectible",
}


@dataclass(frozen=True, slots=True)
class InvoiceSummary:
    """One row of the list of invoices. Amounts are minor units."""

    id: str
    number: str | None
    status: str
    status_label: str
    total: int
    amount_due: int
    amount_paid: int
    amount_remaining: int
    amount_credited: int
    currency: str
    period_start: datetime
    period_end: datetime
    created_at: datetime
    hosted_invoice_url: str | None
    has_failed: bool


@dataclass(frozen=True, slots=True)
class InvoiceSums:
    """What the invoices of one currency come to, drafts and void ones left out. Amounts are minor units."""

    currency: str
    count: int
    total: int
    paid: int
    remaining: int
    credited: int


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment of an invoice with every try at it, oldest first."""

    payment: InvoicePayment
    attempts: list[PaymentAttempt]


@dataclass(frozen=True, slots=True)
class Credit:
    """A credit note, and where its amount went. `to_balance` is credit for invoices to come, in minor units."""

    note: CreditNote
    refunds: list[Refund]

    @property
    def refunded(self) -> int:
        """Minor units given back to the customer's card."""
        return sum(refund.amount for refund in self.refunds if refund.status not in {"failed", "canceled"})

    @property
    def to_balance(self) -> int:
        """Minor units credited to the customer's balance."""
        if self.note.balance_transaction_id is None:
            return 0
        return self.note.post_payment_amount - self.refunded - (self.note.out_of_band_amount or 0)


@dataclass(frozen=True, slots=True)
class InvoiceDetail:
    """An invoice as its page shows it; what is not named here is that of the mirrored `invoice`."""

    invoice: Invoice
    plan_label: str | None
    groups: list[LineGroup]
    payments: list[Payment]
    credits: list[Credit]

    @property
    def status_label(self) -> str:
        """The status in a word."""
        return STATUS_LABELS.get(self.invoice.status, self.invoice.status)

    @property
    def has_failed(self) -> bool:
        """Whether it is open and a try to collect it was declined."""
        return has_failed(self.invoice)

    @property
    def added_tax(self) -> int:
        """Tax on top of the amounts; a tax that they contain is none."""
        return sum(tax["amount"] for tax in self.invoice.taxes if tax["behavior"] == "exclusive")

    @property
    def granted_credit(self) -> int:
        """Minor units of granted credit taken off before tax."""
        rows = self.invoice.pretax_credits
        return sum(each["amount"] for each in rows if each["type"] == "credit_balance_transaction")

    @property
    def from_balance(self) -> int:
        """What the customer's balance changed of the amount due: negative where it paid, positive where it was owed."""
        if self.invoice.ending_balance is None:
            return 0
        return self.invoice.starting_balance - self.invoice.ending_balance

    @property
    def plain_refunds(self) -> list[Refund]:
        """Refunds that no credit note explains."""
        return [refund for refund in self.invoice.refunds if refund.credit_note_id is None]

    @property
    def proof(self) -> str:
        """The worst verdict of its usage: "differs", "late", "open" or "equal"."""
        verdicts = {group.verdict for group in self.groups}
        return next((each for each in ("differs", "late", "open") if each in verdicts), "equal")

    def __getattr__(self, name: str) -> object:
        return getattr(self.invoice, name)


def has_failed(invoice: Invoice) -> bool:
    """Whether an invoice is open and a try to collect it was declined."""
    return invoice.status == "open" and (invoice.payment_attempts or 0) > 0 and invoice.amount_remaining > 0


def list_invoices(
    session: Session,
    tenant_id: int,
    query: InvoiceQuery = EVERYTHING,
    *,
    after: str | None = None,
    limit: int = 100,
) -> list[InvoiceSummary]:
    """The tenant's invoices, newest first; `after` is the id of the last one of the page before."""
    rows = select(Invoice).where(*conditions(tenant_id, query))
    last = session.get(Invoice, (tenant_id, after)) if after else None
    if last is not None:
        rows = rows.where(tuple_(Invoice.created_at, Invoice.id) < (last.created_at, last.id))
    found = session.scalars(rows.order_by(Invoice.created_at.desc(), Invoice.id.desc()).limit(limit)).all()
    covered = _covered(session, tenant_id, [row.id for row in found])
    return [
        InvoiceSummary(
            id=row.id,
            number=row.number,
            status=row.status,
            status_label=STATUS_LABELS.get(row.status, row.status),
            total=row.total,
            amount_due=row.amount_due,
            amount_paid=row.amount_paid,
            amount_remaining=row.amount_remaining,
            amount_credited=row.pre_payment_credit_notes_amount + row.post_payment_credit_notes_amount,
            currency=row.currency,
            period_start=covered.get(row.id, (row.period_start, row.period_end))[0],
            period_end=covered.get(row.id, (row.period_start, row.period_end))[1],
            created_at=row.created_at,
            hosted_invoice_url=row.hosted_invoice_url,
            has_failed=has_failed(row),
        )
        for row in found
    ]


def sum_invoices(session: Session, tenant_id: int, query: InvoiceQuery) -> list[InvoiceSums]:
    """What the invoices of a list come to, by currency: all pages of it."""
    credited = Invoice.pre_payment_credit_notes_amount + Invoice.post_payment_credit_notes_amount
    rows = session.execute(
        select(
            Invoice.currency,
            func.count(),
            func.sum(Invoice.total),
            func.sum(Invoice.amount_paid),
            func.sum(case((Invoice.status == "open", Invoice.amount_remaining), else_=0)),
            func.sum(credited),
        )
        .where(*conditions(tenant_id, query), Invoice.status.not_in(["draft", "void"]))
        .group_by(Invoice.currency)
        .order_by(Invoice.currency)
    )
    return [InvoiceSums(row[0], row[1], *(int(each) for each in row[2:])) for row in rows]


def find_invoice(session: Session, tenant_id: int, invoice_id: str) -> InvoiceDetail:
    """One invoice of this tenant with everything that belongs to it.

    Raises `NotFound`, for another tenant's invoice as for none.
    """
    invoice = session.get(Invoice, (tenant_id, invoice_id), options=_WHOLE)
    if invoice is None:
        raise NotFound(f"no invoice {invoice_id}")
    prices = prices_of_lines(session, invoice)
    return InvoiceDetail(
        invoice=invoice,
        plan_label=plan_of_lines(invoice, prices),
        groups=group_lines(session, invoice, prices),
        payments=[
            Payment(payment, [each for each in invoice.attempts if each.payment_id == payment.id])
            for payment in invoice.payments
        ],
        credits=[
            Credit(note, [each for each in invoice.refunds if each.credit_note_id == note.id])
            for note in invoice.credit_notes
        ],
    )


def _covered(session: Session, tenant_id: int, ids: list[str]) -> dict[str, tuple[datetime, datetime]]:
    """The usage period of each invoice where there is one, else the period of its other lines.

    `period_start` and `period_end` of a Stripe invoice only bound its invoice items.
    """
    metered = InvoiceLine.usage_type.is_not(None)
    starts, ends = func.min(InvoiceLine.period_start), func.max(InvoiceLine.period_end)
    rows = session.execute(
        select(
            InvoiceLine.invoice_id,
            func.coalesce(starts.filter(metered), starts),
            func.coalesce(ends.filter(metered), ends),
        )
        .where(InvoiceLine.tenant_id == tenant_id, InvoiceLine.invoice_id.in_(ids))
        .group_by(InvoiceLine.invoice_id)
    )
    return {invoice_id: (start, end) for invoice_id, start, end in rows}
