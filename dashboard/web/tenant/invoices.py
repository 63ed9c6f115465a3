"""Invoices: the list, and one with its lines and the ledger behind them."""

from __future__ import annotations

from flask import g, render_template

from dashboard.billing.invoice_reports import find_invoice, list_invoices
from dashboard.billing.usage_types import USAGE_TYPES, family_of
from dashboard.web.tenant import blueprint
from dashboard.wiring import session


@blueprint.get("/invoices")
def invoices() -> str:
    """All invoices, newest first."""
    return render_template("tenant/invoices/index.html", invoices=list_invoices(session(), g.tenant.id))


@blueprint.get("/invoices/<invoice_id>")
def invoice(invoice_id: str) -> str:
    """One invoice."""
    return render_template(
        "tenant/invoices/show.html",
        invoice=find_invoice(session(), g.tenant.id, invoice_id),
        families={name: family_of(name).key for name in USAGE_TYPES},
    )
