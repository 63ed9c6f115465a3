"""What an invoice was checked against: ledger, meters and lines side by side."""

from __future__ import annotations

from flask import g, render_template

from dashboard.billing.errors import NotFound
from dashboard.billing.ledger.usage_types import USAGE_TYPES, family_of
from dashboard.billing.reconciliation.checked_invoices import find_checked
from dashboard.models import Invoice
from dashboard.web.tenant import blueprint
from dashboard.wiring import session


@blueprint.get("/invoices/<invoice_id>/checked")
def checked_invoice(invoice_id: str) -> str:
    """One invoice's usage by ledger, meter and line."""
    invoice = session().get(Invoice, (g.tenant.id, invoice_id.replace("\x00", "")))
    if invoice is None:
        raise NotFound(f"no invoice {invoice_id}")
    return render_template(
        "tenant/invoices/checked.html",
        invoice=invoice,
        checked=find_checked(session(), g.tenant.id, invoice.id),
        families={name: family_of(name).key for name in USAGE_TYPES},
    )
