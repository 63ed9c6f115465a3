"""A paid invoice with tiers, discounts, credit and tax, and the usage that it bills, in a platform's tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy.orm import Session

from dashboard.billing.plans.plans import prices_of_plan
from dashboard.billing.ports.invoices import InvoiceFacts
from dashboard.models import Tenant
from dashboard.wiring import wiring
from tests.factories import NOON, record
from tests.invoice_facts import RICH

# When its texts were sent.
DAY = NOON + timedelta(days=3)


def paid_invoice(session: Session, customer: str) -> InvoiceFacts:
    """The facts of `in_1`: the fee of Starter, then 131 texts, 31 of them beyond what is included."""
    base, metered = prices_of_plan(session, "starter", "monthly", wiring().pins) or ("", [])
    fee = replace(RICH.lines[0], id="il_base", price_id=base, tier=None, quantity=1, amount=1_900)
    usage = tuple(replace(line, price_id=metered[0]) for line in RICH.lines)
    return replace(RICH, customer_id=customer, lines=(fee, *usage))


def record_paid_usage(session: Session, tenant: Tenant) -> None:
    """Its 131 texts, by two people."""
    for user, quantity in (("ada@tenant.example", 100), ("bob@tenant.example", 31)):
        record(session, tenant, now=DAY, user_id=user, quantity=quantity, occurred_at=DAY.isoformat())
