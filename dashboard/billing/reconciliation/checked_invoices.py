"""What an invoice was checked against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.ledger.usage_types import USAGE_TYPES, UsageType
from dashboard.billing.reconciliation.words import describe_check
from dashboard.models import CheckState, ReconciliationCheck


@dataclass(frozen=True, slots=True)
class CheckedInvoice:
    """What an invoice was checked against."""

    checks: list[ReconciliationCheck]

    @property
    def events(self) -> int:
        """Single actions in the ledger that it bills."""
        return sum(check.events for check in self.checks)

    @property
    def state(self) -> CheckState | None:
        """The worst of its checks; None where it was not checked yet."""
        found = {check.state for check in self.checks}
        order = (CheckState.DIFFERENT, CheckState.WAITING, CheckState.EQUAL)
        return next((each for each in order if each in found), None)

    @property
    def checked_at(self) -> datetime | None:
        """The oldest look of them."""
        return min((check.checked_at for check in self.checks), default=None)

    @property
    def lines(self) -> list[tuple[UsageType, ReconciliationCheck, str]]:
        """(usage type, check, its state in words) of what was compared, those without any usage left out."""
        return [
            (USAGE_TYPES[check.usage_type], check, describe_check(check))
            for check in self.checks
            if check.events or check.summary or check.invoiced
        ]


def find_checked(session: Session, tenant_id: int, invoice_id: str) -> CheckedInvoice:
    """What an invoice was checked against: one query."""
    rows = session.scalars(
        select(ReconciliationCheck)
        .where(ReconciliationCheck.tenant_id == tenant_id, ReconciliationCheck.invoice_id == invoice_id)
        .order_by(ReconciliationCheck.period_start, ReconciliationCheck.usage_type)
    )
    return CheckedInvoice([row for row in rows if row.usage_type in USAGE_TYPES])
