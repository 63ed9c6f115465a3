"""Proposed invoice items and credit notes: what no meter could bill or give back, for staff to decide."""

from __future__ import annotations

from flask import flash, redirect, render_template, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from dashboard.billing.errors import NotNow
from dashboard.billing.invoices import proposals as domain
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.ports.providers import ProviderRefused, ProviderUnavailable
from dashboard.models import BillingProposal
from dashboard.web.audit import audit
from dashboard.web.staff import blueprint
from dashboard.wiring import now, session, wiring


@blueprint.get("/proposals")
def proposals() -> str:
    """Open proposals, oldest first, and the last ones that were decided."""
    return render_template(
        "staff/proposals/index.html",
        waiting=domain.list_with_tenants(session(), is_open=True),
        decided=domain.list_with_tenants(session(), is_open=False),
        reasons=domain.REASONS,
        types=USAGE_TYPES,
    )


@blueprint.post("/proposals/<int:tenant_id>/<int:proposal_id>/accept")
def accept_proposal(tenant_id: int, proposal_id: int) -> Response:
    """Move the money at Stripe. Asked twice, it moves once."""
    by = current_user.email
    try:
        _note("proposal.accepted", domain.begin_accept(session(), tenant_id, proposal_id, by, now()))
        session().commit()
        made = domain.accept(session(), wiring().billing, tenant_id, proposal_id, by, now())
        session().commit()
    except (NotNow, ProviderRefused, ProviderUnavailable) as error:
        session().rollback()
        flash(f"Nothing was moved: {error}.", "error")
    else:
        what = "invoice item" if made.kind == "invoice_item" else "credit note"
        flash(f"Accepted: {what} {made.stripe_id} at Stripe." if made.stripe_id else "Accepted: nothing to bill.", "ok")
    return redirect(url_for("staff.proposals"), 303)


@blueprint.post("/proposals/<int:tenant_id>/<int:proposal_id>/dismiss")
def dismiss_proposal(tenant_id: int, proposal_id: int) -> Response:
    """Decide that no money moves."""
    try:
        _note("proposal.dismissed", domain.dismiss(session(), tenant_id, proposal_id, current_user.email, now()))
        session().commit()
    except NotNow as error:
        flash(f"Not dismissed: {error}.", "error")
    else:
        flash("Dismissed: no money moves.", "info")
    return redirect(url_for("staff.proposals"), 303)


def _note(action: str, decided: BillingProposal | None) -> None:
    """Write a decision down; a second click decides nothing."""
    if decided is not None:
        details = {"proposal": decided.id, "amount": decided.amount, "currency": decided.currency}
        audit(action, domain.describe(decided), details, tenant_id=decided.tenant_id)
