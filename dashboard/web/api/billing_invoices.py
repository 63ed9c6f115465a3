"""A tenant's invoices over HTTP: the list, one with its lines, and the next one as it would be by now."""

from __future__ import annotations

from flask import Blueprint, g, jsonify
from flask.typing import ResponseReturnValue

from dashboard.billing.errors import NotFound
from dashboard.billing.invoices.invoice_pages import InvoiceFilter, list_invoice_page
from dashboard.billing.moments import parse_moment
from dashboard.billing.subscriptions.billing_desk import current_subscription
from dashboard.models import Invoice
from dashboard.web.api import billing_descriptions, billing_views
from dashboard.web.api.billing_shapes import InvoicesQuery
from dashboard.web.api.keys import require_key
from dashboard.web.api.queries import read_query
from dashboard.web.billing_actions import desk_of
from dashboard.wiring import session

blueprint = Blueprint("billing_invoices_api", __name__, url_prefix="/api/billing/invoices")
blueprint.before_request(require_key)


@blueprint.get("")
@billing_descriptions.list_invoices
def index() -> ResponseReturnValue:
    """Invoices, newest first; `?cursor=` is the `next_cursor` of the page before."""
    query = read_query(InvoicesQuery)
    wanted = InvoiceFilter(
        query.status,
        parse_moment(query.start, "from") if query.start is not None else None,
        parse_moment(query.stop, "to") if query.stop is not None else None,
    )
    page = list_invoice_page(session(), g.tenant_id, wanted, cursor=query.cursor, limit=query.limit)
    rows = [billing_views.view_invoice(each) for each in page.invoices]
    return jsonify({"invoices": rows, "next_cursor": page.next_cursor})


@blueprint.get("/<invoice_id>")
@billing_descriptions.show_invoice
def show(invoice_id: str) -> ResponseReturnValue:
    """One invoice with its lines."""
    invoice = session().get(Invoice, (g.tenant_id, invoice_id))
    if invoice is None:
        raise NotFound(f"no invoice {invoice_id}")
    return jsonify(billing_views.view_invoice_with_lines(invoice))


@blueprint.get("/upcoming")
@billing_descriptions.show_upcoming
def show_upcoming() -> ResponseReturnValue:
    """The next invoice as it would be by now

    Asked of Stripe, with the usage it knows: the rest is sent at the full hour. 404 where none is to come.
    """
    desk = desk_of(g.tenant_id)
    found = current_subscription(desk.session, desk.tenant_id)
    preview = desk.provider.preview_next(found.id) if found is not None else None
    if preview is None:
        raise NotFound("no invoice is to come")
    return jsonify(billing_views.view_upcoming(preview))
