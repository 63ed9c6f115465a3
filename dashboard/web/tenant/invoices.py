"""Invoices: the list with its filters and sums, and one with its lines, payments and credits."""

from __future__ import annotations

import re

from flask import g, render_template, request

from dashboard.billing.invoices.invoice_reports import (
    STATUS_LABELS,
    find_invoice,
    list_invoices,
    sum_invoices,
)
from dashboard.billing.invoices.invoice_search import InvoiceQuery, count_invoices
from dashboard.billing.reconciliation.checked_invoices import find_checked
from dashboard.web.tenant import BUYERS, blueprint
from dashboard.wiring import session

ROWS = 50
# Years that times can have in every zone.
YEAR = re.compile(r"(19|20|21)[0-9]{2}")
LONGEST_SEARCH = 100


@blueprint.get("/invoices")
def invoices() -> str:
    """The invoices of `?status=` and `?year=` in which `?q=` stands, newest first; `?after=` is the last one before."""
    status = request.args.get("status", "")
    year = request.args.get("year", "")
    query = InvoiceQuery(
        status=status if status in STATUS_LABELS else None,
        search=request.args.get("q", "").replace("\x00", "").strip()[:LONGEST_SEARCH] or None,
        year=int(year) if YEAR.fullmatch(year) else None,
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
        counts=count_invoices(session(), g.tenant.id),
        labels=STATUS_LABELS,
    )


@blueprint.get("/invoices/<invoice_id>")
def invoice(invoice_id: str) -> str:
    """One invoice."""
    return render_template(
        "tenant/invoices/show.html",
        invoice=find_invoice(session(), g.tenant.id, invoice_id),
        may_pay=g.role in BUYERS,
        checked=find_checked(session(), g.tenant.id, invoice_id),
    )
