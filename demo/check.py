"""Whether the history is what it claims to be: every usage type arrived, nothing differs, failed or was refused."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.billing.inbox.webhook_inbox import count_inbox
from dashboard.billing.invoices.invoice_reports import find_invoice, list_invoices
from dashboard.billing.ledger.rollups import verify_rollups
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.models import DeliveryState, UsageEvent, WebhookDelivery
from dashboard.wiring import unit_of_work
from demo.accounts import DemoTenant
from demo.platform import ExamplePlatform


def check_history(tenants: list[DemoTenant], platform: ExamplePlatform) -> str:
    """One line that says what was found.

    Raises `RuntimeError` with everything that is not as it should be.
    """
    with unit_of_work() as session:
        counts = [_count_by_type(session, tenant) for tenant in tenants]
        wrong = [*_missing_types(tenants, counts), *_unlike_the_ledger(session, tenants), *_undelivered(session)]
        delivered = session.scalar(select(func.count()).where(WebhookDelivery.state == DeliveryState.DELIVERED))
    for name, reports in platform.health().items():
        if any(reports.values()):
            wrong.append(f"{name}: of its usage events {reports['refused']} were refused and {reports['waiting']} wait")
    if wrong:
        raise RuntimeError("the history is not whole: " + "; ".join(wrong))
    return (
        f"{sum(sum(each.values()) for each in counts):,} usage events, all {len(USAGE_TYPES)} types for each tenant; "
        f"every rollup and every invoice equals the ledger; {delivered} webhooks delivered, none failed; "
        "nothing was refused."
    )


def _count_by_type(session: Session, tenant: DemoTenant) -> dict[str, int]:
    rows = session.execute(
        select(UsageEvent.usage_type, func.count())
        .where(UsageEvent.tenant_id == tenant.id)
        .group_by(UsageEvent.usage_type)
    )
    return dict(rows.tuples().all())


def _missing_types(tenants: list[DemoTenant], counts: list[dict[str, int]]) -> Iterator[str]:
    for tenant, found in zip(tenants, counts, strict=True):
        if missing := [name for name in USAGE_TYPES if name not in found]:
            yield f"{tenant.name} has no {', '.join(missing)}"


def _unlike_the_ledger(session: Session, tenants: list[DemoTenant]) -> Iterator[str]:
    if differences := verify_rollups(session):
        yield f"{len(differences)} rollups differ from the ledger"
    for tenant in tenants:
        final = [invoice for invoice in list_invoices(session, tenant.id) if invoice.status != "draft"]
        for invoice in final:
            for line in find_invoice(session, tenant.id, invoice.id).groups:
                if line.matches is False:
                    yield (
                        f"invoice {invoice.number} of {tenant.name} bills {line.quantity} {line.unit_label} of "
                        f"{line.label}, the ledger has {line.ledger_quantity}"
                    )


def _undelivered(session: Session) -> Iterator[str]:
    if failed := count_inbox(session).failed:
        yield f"{failed} webhooks of Stripe could not be processed"
    if left := session.scalar(select(func.count()).where(WebhookDelivery.state != DeliveryState.DELIVERED)):
        yield f"{left} webhooks to tenants were not delivered"
