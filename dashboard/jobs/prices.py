"""Subscriptions at prices that meant no plan get the plan that theirs means by now."""

from __future__ import annotations

from dashboard.billing.subscriptions.unknown_prices import settle_unknown_prices, tenants_with_unknown_prices
from dashboard.jobs.outgoing import enqueue_due_webhooks
from dashboard.wiring import unit_of_work, wiring


def settle_prices() -> int:
    """Settle tenant by tenant, one transaction each; answers how many subscriptions got their plan.

    The sweep does it again, should this be cut short.
    """
    parts = wiring()
    with unit_of_work() as session:
        tenants = tenants_with_unknown_prices(session)
    settled = 0
    for tenant_id in tenants:
        with unit_of_work() as session:
            settled += settle_unknown_prices(session, tenant_id, parts.pins, parts.clock.now())
    if settled:
        enqueue_due_webhooks()  # tenants hear of their plan
    return settled
