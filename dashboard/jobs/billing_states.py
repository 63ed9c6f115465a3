"""Follow tenants' billing states: what a sync changed, and what time alone changes."""

from __future__ import annotations

import structlog

from dashboard.billing import billing_state, invoices
from dashboard.database import lock_object
from dashboard.jobs.outgoing import enqueue_due_webhooks
from dashboard.wiring import unit_of_work, wiring

log = structlog.get_logger()


def follow_stale_states() -> int:
    """Follow every state under which something changed, a transaction each; answers how many changed."""
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
    """One tenant whose state cannot be followed does not stop the others: it stays stale for the next time."""
    changed = 0
    for tenant_id in tenants:
        parts = wiring()
        try:
            with unit_of_work() as session:
                changed += billing_state.follow_state(session, tenant_id, parts.payment_policy, parts.clock.now())
        except Exception:
            log.exception("billing state could not be followed", tenant=tenant_id)
    if changed:
        log.info("billing states changed", tenants=changed)
    return changed


def fetch_partial_invoices() -> int:
    """Fetch again, some at a time, invoices last fetched before all of them was kept; answers how many."""
    parts = wiring()
    with unit_of_work() as session:
        wanted = invoices.list_partial_invoices(session)
    for tenant_id, invoice_id in wanted:
        with unit_of_work() as session:
            lock_object(session, "stripe", invoice_id)
            facts = invoices.fetch_whole_invoice(session, parts.billing, invoice_id, has_credit_notes=True)
            if facts is None or not invoices.sync_invoice(session, facts, parts.clock.now()):
                invoices.give_up_on_invoice(session, tenant_id, invoice_id)
    return len(wanted)
