"""Prices that meant no plan: say what one means, and give subscriptions the plan that theirs means by now."""

from __future__ import annotations

from dashboard.billing.plan_mapping import map_price
from dashboard.billing.unknown_prices import settle_unknown_prices, tenants_with_unknown_prices
from dashboard.jobs.outgoing import enqueue_due_webhooks
from dashboard.wiring import unit_of_work, wiring


def record_price_mapping(price_id: str, plan: str, interval: str, *, mapped_by: str) -> int:
    """Store what the price means and settle what waits for it; answers how many subscriptions got their plan.

    Raises `InvalidInput`.
    """
    with unit_of_work() as session:
        map_price(session, price_id, plan, interval, mapped_by=mapped_by, now=wiring().clock.now())
    return settle_prices()


def settle_prices() -> int:
    """Tenant by tenant, one transaction each; the sweep does it again, should this be cut short."""
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
