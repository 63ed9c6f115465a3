"""Follow tenants' billing states: what a sync changed, and what time alone changes."""

from __future__ import annotations

import structlog

from dashboard.billing.invoices import invoices
from dashboard.billing.mirror import billing_state
from dashboard.database import lock_object
from dashboard.jobs.outgoing import enqueue_due_webhooks
from dashboard.wiring import unit_of_work, wiring

log = structlog.get_logger()
AT_ONCE = 50


def follow_stale_states() -> int:
    """Follow every state under which something changed; answers how many changed."""
    with unit_of_work() as session:
        tenants = billing_state.list_stale_states(session)
    return _follow(tenants)


def follow_restricted_states() -> None:
    """Move on tenants whose grace has ended; Stripe sends nothing then. A changed policy takes hold here too."""
    with unit_of_work() as session:
        tenants = billing_state.list_restricted_states(session)
    if _follow(tenants):
        enqueue_due_webhooks()


def _follow(tenants: list[int]) -> int:
    """Some tenants a transaction. One whose state cannot be followed stays stale for the next time, alone."""
    changed = sum(_follow_some(tenants[n : n + AT_ONCE]) for n in range(0, len(tenants), AT_ONCE))
    if changed:
        log.info("billing states changed", tenants=changed)
    return changed


def _follow_some(tenants: list[int]) -> int:
    parts = wiring()
    try:
        with unit_of_work() as session:
            return billing_state.follow_states(session, tenants, parts.payment_policy, parts.clock.now())
    except Exception:
        if len(tenants) > 1:
            return sum(_follow_some([tenant_id]) for tenant_id in tenants)
        log.exception("billing state could not be followed", tenant=tenants[0])
        return 0


def fetch_partial_invoices() -> int:
    """Fetch again, some at a time, invoices last fetched before all of them was kept; answers how many."""
    parts = wiring()
    with unit_of_work() as session:
        wanted = invoices.list_partial_invoices(session)
    for tenant_id, invoice_id in wanted:
        with unit_of_work() as session:
            lock_object(session, "stripe", invoice_id)
            facts = parts.billing.fetch_invoice(invoice_id, has_credit_notes=True)
            if facts is None or not invoices.sync_invoice(session, facts, parts.clock.now()):
                invoices.give_up_on_invoice(session, tenant_id, invoice_id)
    return len(wanted)
