"""Money that no meter can bill or give back any more: proposed once for each difference, then decided by staff.

Accepting is two transactions of the entry point: `begin_accept` freezes the proposal, `accept` asks the provider under
a key that follows from it. A crash between or within them leaves it to be accepted again, with the same effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.errors import NotFound, NotNow
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.ports.proposals import ExtraAmount, ProposalProvider
from dashboard.database import lock_object
from dashboard.models import BillingProposal, Invoice, InvoiceLine, ProposalKind, ProposalState, Tenant

REASONS: dict[str, str] = {
    "too_old": "Recorded when it was older than the 35 days that Stripe's meters accept.",
    "late": "Recorded after the invoice of its period was final.",
    "correction": "Corrected after the invoice of its period was final.",
    "lost_batch": "Sent to Stripe, not counted there, and the invoice of its period is final.",
    "double_batch": "Counted twice by Stripe, and the invoice of its period is final.",
}


def propose(
    session: Session,
    tenant_id: int,
    *,
    kind: ProposalKind | str,
    usage_type: str,
    quantity: int,
    amount: int,
    currency: str,
    period_start: datetime,
    period_end: datetime,
    reason: str,
    key: str,
    now: datetime,
    bucket_start: datetime | None = None,
    invoice_id: str | None = None,
    details: dict[str, Any] | None = None,
) -> BillingProposal:
    """Propose an amount (minor units, not negative) for `quantity` units; `key` names the difference within the tenant.

    The same key again brings an open proposal up to date; one that is decided, or being accepted, stays as it is.
    """
    lock_object(session, "proposals-of", tenant_id)
    found = session.scalars(
        select(BillingProposal)
        .where(BillingProposal.tenant_id == tenant_id, BillingProposal.dedupe_key == key)
        .execution_options(populate_existing=True)
    ).first()
    if found is None:
        found = BillingProposal(tenant_id=tenant_id, dedupe_key=key, created_at=now, state=ProposalState.OPEN)
        session.add(found)
    elif is_frozen(found):
        return found
    found.kind, found.usage_type, found.reason = str(kind), usage_type, reason
    found.quantity, found.amount, found.currency = quantity, amount, currency
    found.period_start, found.period_end, found.bucket_start = period_start, period_end, bucket_start
    found.invoice_id, found.details = invoice_id, details or {}
    session.flush()
    return found


def is_frozen(proposal: BillingProposal) -> bool:
    """Whether it is decided, or staff accepted it and Stripe has not confirmed yet."""
    return proposal.state != ProposalState.OPEN or proposal.decided_by is not None


def list_open(session: Session, *, tenant_id: int | None = None, limit: int = 100) -> list[BillingProposal]:
    """Open proposals of one tenant or of all, oldest first."""
    rows = select(BillingProposal).where(BillingProposal.state == ProposalState.OPEN)
    if tenant_id is not None:
        rows = rows.where(BillingProposal.tenant_id == tenant_id)
    return list(session.scalars(rows.order_by(BillingProposal.created_at, BillingProposal.id).limit(limit)))


def list_with_tenants(session: Session, *, is_open: bool, limit: int = 100) -> list[tuple[BillingProposal, str]]:
    """(proposal, tenant's name): the open ones oldest first, or the decided ones newest first."""
    rows = select(BillingProposal, Tenant.name).join(Tenant, Tenant.id == BillingProposal.tenant_id)
    if is_open:
        rows = rows.where(BillingProposal.state == ProposalState.OPEN).order_by(BillingProposal.created_at)
    else:
        rows = rows.where(BillingProposal.state != ProposalState.OPEN).order_by(BillingProposal.decided_at.desc())
    return [(proposal, name) for proposal, name in session.execute(rows.limit(limit))]


def begin_accept(session: Session, tenant_id: int, proposal_id: int, by: str, now: datetime) -> BillingProposal | None:
    """Freeze a proposal that staff accepts: commit this before `accept`. None where it was accepted before.

    Raises `NotFound`, and `NotNow` for one that was dismissed.
    """
    proposal = _held(session, tenant_id, proposal_id)
    if proposal.state == ProposalState.DISMISSED:
        raise NotNow("it was dismissed; what is still owed is proposed anew by the next sync")
    if proposal.decided_by is not None:
        return None
    proposal.decided_by, proposal.decided_at = by, now
    session.flush()
    return proposal


def accept(
    session: Session, provider: ProposalProvider, tenant_id: int, proposal_id: int, by: str, now: datetime
) -> BillingProposal:
    """Make the invoice item or credit note of a proposal at Stripe, once, and note its id.

    An amount of 0 is covered by what the plan includes: there is nothing to make. Money is given back by a negative
    invoice item where no invoice is known. Raises `NotFound`, `NotNow`, `ProviderRefused`, `ProviderUnavailable`.
    """
    begin_accept(session, tenant_id, proposal_id, by, now)
    proposal = _held(session, tenant_id, proposal_id)
    if proposal.state == ProposalState.ACCEPTED:
        return proposal
    key = f"proposal-{tenant_id}-{proposal.id}"
    lines = _lines_to_credit(session, proposal) if proposal.kind == ProposalKind.CREDIT_NOTE else []
    if proposal.amount and lines and proposal.invoice_id:
        proposal.stripe_id = provider.create_credit_note(
            proposal.invoice_id, lines, description=describe(proposal), key=key
        )
    elif proposal.amount:
        proposal.stripe_id = provider.create_invoice_item(_extra_amount(session, proposal), key=key)
    proposal.state = ProposalState.ACCEPTED
    session.flush()
    return proposal


def dismiss(session: Session, tenant_id: int, proposal_id: int, by: str, now: datetime) -> BillingProposal | None:
    """Decide that no money moves. None where that was decided before.

    Raises `NotFound`, and `NotNow` for one that was accepted.
    """
    proposal = _held(session, tenant_id, proposal_id)
    if proposal.state == ProposalState.DISMISSED:
        return None
    if is_frozen(proposal):
        raise NotNow("it was accepted; what was made of it can be taken back at Stripe")
    proposal.state, proposal.decided_by, proposal.decided_at = ProposalState.DISMISSED, by, now
    session.flush()
    return proposal


def describe(proposal: BillingProposal) -> str:
    """What the customer reads: the usage and its period."""
    kind = USAGE_TYPES[proposal.usage_type]
    span = f"{proposal.period_start:%Y-%m-%d} to {proposal.period_end:%Y-%m-%d}"
    what = "Usage not billed before" if proposal.kind == ProposalKind.INVOICE_ITEM else "Usage billed too much"
    return f"{what}: {kind.label}, {proposal.quantity} {kind.units_label}, {span}"


def _held(session: Session, tenant_id: int, proposal_id: int) -> BillingProposal:
    """The proposal, its tenant's proposals held for this transaction alone."""
    lock_object(session, "proposals-of", tenant_id)
    found = session.get(BillingProposal, (tenant_id, proposal_id), populate_existing=True)
    if found is None:
        raise NotFound(f"no proposal {proposal_id}")
    return found


def _extra_amount(session: Session, proposal: BillingProposal) -> ExtraAmount:
    customer_id = session.scalar(select(Tenant.stripe_customer_id).where(Tenant.id == proposal.tenant_id))
    if customer_id is None:
        raise NotNow("the tenant has no customer at Stripe to bill")
    sign = 1 if proposal.kind == ProposalKind.INVOICE_ITEM else -1
    return ExtraAmount(
        customer_id,
        sign * proposal.amount,
        proposal.currency,
        describe(proposal),
        proposal.period_start,
        proposal.period_end,
    )


def _lines_to_credit(session: Session, proposal: BillingProposal) -> list[tuple[str, int]]:
    """(line id, amount) of the invoice's lines for this usage, from the highest tier down, as far as the amount goes.

    Empty where the lines do not hold so much: the money goes back another way then.
    """
    lines = session.scalars(
        select(InvoiceLine)
        .join(Invoice, (Invoice.tenant_id == InvoiceLine.tenant_id) & (Invoice.id == InvoiceLine.invoice_id))
        .where(
            InvoiceLine.tenant_id == proposal.tenant_id,
            InvoiceLine.invoice_id == proposal.invoice_id,
            InvoiceLine.usage_type == proposal.usage_type,
            InvoiceLine.period_start == proposal.period_start,
            Invoice.status.in_(["open", "paid"]),
            InvoiceLine.amount > 0,
        )
        .order_by(InvoiceLine.tier.desc(), InvoiceLine.position.desc())
    ).all()
    return _spread(proposal.amount, lines)


def _spread(amount: int, lines: Sequence[InvoiceLine]) -> list[tuple[str, int]]:
    parts = []
    for line in lines:
        part = min(amount, line.amount)
        if part:
            parts.append((line.line_id, part))
        amount -= part
    return parts if amount == 0 else []
