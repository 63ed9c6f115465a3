"""Invoices: the list with its filters and sums, and one with its lines, payments and credits."""

from __future__ import annotations

from flask import g, render_template, request

from dashboard.billing.invoice_reports import (
    STATUS_LABELS,
    InvoiceQuery,
    count_statuses,
    find_invoice,
    list_invoices,
    sum_invoices,
)
from dashboard.billing.usage_types import USAGE_TYPES, family_of
from dashboard.web.tenant import BUYERS, blueprint
from dashboard.wiring import session

ROWS = 50
LONGEST_SEARCH = 100


@blueprint.get("/invoices")
def invoices() -> str:
    """The invoices of `?status=` in which `?q=` stands, newest first; `?after=` is the last one of the page before."""
    status = request.args.get("status", "")
    query = InvoiceQuery(
        status=status if status in STATUS_LABELS else None,
        search=request.args.get("q", "").replace("\x00", "").strip()[:LONGEST_SEARCH] or None,
    )
    after = request.args.get("after", "").replace("\x00", "") or None
    found = list_invoices(session(), g.tenant.id, query, after=after, limit=ROWS + 1)
    return render_template(
        "tenant/invoices/index.html",
        invoices=found[:ROWS],
        has_more=len(found) > ROWS,
        query=query,
        after=after,
        sums=sum_invoices(session(), g.tenant.id, query),
        counts=count_statuses(session(), g.tenant.id),
        labels=STATUS_LABELS,
    )


@blueprint.get("/invoices/<invoice_id>")
def invoice(invoice_id: str) -> str:
    """One invoice."""
    return render_template(
        "tenant/invoices/show.html",
        invoice=find_invoice(session(), g.tenant.id, invoice_id),
        families={name: family_of(name).key for name in USAGE_TYPES},
        may_pay=g.role in BUYERS,
    )
