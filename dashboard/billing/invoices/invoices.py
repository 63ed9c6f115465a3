"""Our mirror of Stripe invoices: overwritten whole from what Stripe says, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.mirror.mirror import Mirror, hold_mirrors
from dashboard.billing.mirror.mirror_rows import Owner, replace_parts, upsert_rows
from dashboard.billing.notices.announcements import InvoiceState, invoice_steps, notices_of
from dashboard.billing.periods.period_segments import learn_billed
from dashboard.billing.plans.known_prices import KnownPrices, read_prices
from dashboard.billing.ports.invoices import InvoiceFacts
from dashboard.database import Base
from dashboard.models import (
    CreditNote,
    CreditNoteLine,
    Invoice,
    InvoiceLine,
    InvoicePayment,
    PaymentAttempt,
    Refund,
)

# What hangs on an invoice, each overwritten with it.
PARTS_BY_ID: dict[type[Base], str] = {
    InvoicePayment: "payments",
    PaymentAttempt: "attempts",
    Refund: "refunds",
    CreditNote: "credit_notes",
}
PARTS = ("lines", *PARTS_BY_ID.values())
COLUMNS = tuple(field.name for field in fields(InvoiceFacts) if field.name not in PARTS)
# An invoice and its tenant.
Own = tuple[int, InvoiceFacts]


def sync_invoice(session: Session, facts: InvoiceFacts, now: datetime) -> bool:
    """Overwrite our copy and all that hangs on it from Stripe's. False when the customer is none of our tenants."""
    mirror = hold_mirrors(session, [facts.customer_id], now)
    sync_invoices(mirror, [facts])
    mirror.finish()
    return mirror.tenant_of(facts.customer_id) is not None


def sync_invoices(mirror: Mirror, invoices: Sequence[InvoiceFacts]) -> None:
    """The same for several, each once, as far as their tenants are known."""
    ours = [(tenant_id, facts) for facts in invoices if (tenant_id := mirror.tenant_of(facts.customer_id))]
    session, before = mirror.session, _states(mirror.session, ours)
    rows = [
        {
            "tenant_id": tenant_id,
            "is_whole": True,
            "synced_at": mirror.now,
            **{name: getattr(facts, name) for name in COLUMNS},
        }
        for tenant_id, facts in ours
    ]
    upsert_rows(session, Invoice, rows)
    prices = read_prices(session, {line.price_id for _, facts in ours for line in facts.lines if line.price_id})
    _replace_parts(session, ours, {(tenant_id, facts.id) for tenant_id, facts in ours} & before.keys(), prices)
    learn_billed(mirror, ours, prices)
    for tenant_id, facts in ours:
        steps = list(invoice_steps(tenant_id, facts, before.get((tenant_id, facts.id))))
        mirror.announce(steps)
        mirror.notify(notices_of(tenant_id, facts, steps))
        mirror.touch(tenant_id)


def _states(session: Session, ours: Sequence[Own]) -> dict[Owner, InvoiceState]:
    """How far these invoices had come when they were fetched last; those that we have."""
    rows = session.execute(
        select(Invoice.tenant_id, Invoice.id, Invoice.status, Invoice.finalized_at, Invoice.payment_attempts).where(
            Invoice.tenant_id.in_({tenant_id for tenant_id, _ in ours}), Invoice.id.in_({each.id for _, each in ours})
        )
    )
    return {
        (row.tenant_id, row.id): InvoiceState(row.status, row.finalized_at is not None, row.payment_attempts)
        for row in rows
    }


def remove_invoice(session: Session, tenant_id: int, invoice_id: str) -> None:
    """Forget a draft that was deleted at Stripe."""
    invoice = session.get(Invoice, (tenant_id, invoice_id))
    if invoice is not None:
        session.delete(invoice)
        session.flush()


def list_credited(session: Session, invoice_ids: Collection[str]) -> set[str]:
    """Those of these invoices of which we hold a credit note.

    One that was voided shows in none of an invoice's amounts: whoever holds one has to ask for it.
    """
    held = select(CreditNote.invoice_id).where(CreditNote.invoice_id.in_(invoice_ids)).distinct()
    return set(session.scalars(held))


def list_partial_invoices(session: Session, *, limit: int = 100) -> list[tuple[int, str]]:
    """(tenant, id) of invoices last fetched before all of them was kept: to be fetched again."""
    partial = select(Invoice.tenant_id, Invoice.id).where(~Invoice.is_whole)
    rows = session.execute(partial.order_by(Invoice.tenant_id, Invoice.id).limit(limit))
    return [(row.tenant_id, row.id) for row in rows]


def give_up_on_invoice(session: Session, tenant_id: int, invoice_id: str) -> None:
    """Keep an invoice as it is: Stripe has it no more, or its customer is let go."""
    session.get_one(Invoice, (tenant_id, invoice_id)).is_whole = True
    session.flush()


def _replace_parts(session: Session, ours: Sequence[Own], held: Collection[Owner], prices: KnownPrices) -> None:
    """Write all that hangs on the invoices; `held` are those that we had before."""
    lines = [
        {**own, "position": n, "usage_type": prices.usage_type_of(line.price_id), **_row(line, id_as="line_id")}
        for own, facts in _owners(ours)
        for n, line in enumerate(facts.lines)
    ]
    noted = [
        {**own, "credit_note_id": note.id, "position": n, **_row(line, id_as="line_id")}
        for own, facts in _owners(ours)
        for note in facts.credit_notes
        for n, line in enumerate(note.lines)
    ]
    before = sorted(held)
    replace_parts(session, InvoiceLine, before, lines)
    for model, part in PARTS_BY_ID.items():
        rows = [{**own, **_row(each)} for own, facts in _owners(ours) for each in getattr(facts, part)]
        replace_parts(session, model, before, rows)
    # Those that were there went with their credit notes.
    replace_parts(session, CreditNoteLine, (), noted)


def _owners(ours: Sequence[Own]) -> Iterator[tuple[dict[str, object], InvoiceFacts]]:
    for tenant_id, facts in ours:
        yield {"tenant_id": tenant_id, "invoice_id": facts.id}, facts


def _row(facts: Any, *, id_as: str = "id") -> dict[str, Any]:
    """The columns of a part; the lines of a credit note are rows of their own."""
    row = {field.name: getattr(facts, field.name) for field in fields(facts) if field.name != "lines"}
    row[id_as] = row.pop("id")
    return row
