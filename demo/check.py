"""Whether the history is what it claims to be: every usage type arrived, nothing differs, failed or was refused."""

from __future__ import annotations

from sqlalchemy import func, select

from dashboard.billing.rollups import verify_rollups
from dashboard.billing.usage_types import USAGE_TYPES
from dashboard.billing.webhook_inbox import count_inbox
from dashboard.integrations.spool import list_files
from dashboard.models import DeliveryState, UsageEvent, WebhookDelivery
from dashboard.wiring import unit_of_work, wiring
from demo.accounts import DemoTenant
from demo.platform import ExamplePlatform
from demo.sandbox_control import wait_until


def wait_for_counted_requests() -> None:
    """Wait until the web server has brought every API request it counted into the ledger."""
    folder = wiring().settings.api_request_spool
    wait_until(lambda: not list_files(folder), "API requests to be recorded", 30)


def check_history(tenants: list[DemoTenant], platform: ExamplePlatform) -> str:
    """One line that says what was found.

    Raises `RuntimeError` with everything that is not as it should be.
    """
    found: list[str] = []
    with unit_of_work() as session:
        counts = {
            (tenant_id, usage_type): events
            for tenant_id, usage_type, events in session.execute(
                select(UsageEvent.tenant_id, UsageEvent.usage_type, func.count()).group_by(
                    UsageEvent.tenant_id, UsageEvent.usage_type
                )
            )
        }
        deliveries = dict(
            session.execute(select(WebhookDelivery.state, func.count()).group_by(WebhookDelivery.state)).tuples().all()
        )
        differences, inbox = verify_rollups(session), count_inbox(session)
    for tenant in tenants:
        missing = [name for name in USAGE_TYPES if (tenant.id, name) not in counts]
        if missing:
            found.append(f"{tenant.name} has no {', '.join(missing)}")
    for name, state in platform.health().items():
        if state["refused"] or state["waiting"]:
            found.append(f"{name}: {state['refused']} usage events were refused, {state['waiting']} wait")
    if differences:
        found.append(f"{len(differences)} rollups differ from the ledger")
    if inbox.failed:
        found.append(f"{inbox.failed} webhooks of Stripe failed")
    if set(deliveries) - {DeliveryState.DELIVERED}:
        found.append(f"webhooks to tenants: {deliveries}")
    if found:
        raise RuntimeError("the history is not whole: " + "; ".join(found))
    return (
        f"{sum(counts.values()):,} usage events, all {len(USAGE_TYPES)} types for each tenant; every rollup equals the "
        f"ledger; {deliveries[DeliveryState.DELIVERED]} webhooks delivered, none failed; nothing was refused."
    )
