"""What was found when ledger, meter event summaries and invoice lines were compared."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class CheckState(StrEnum):
    """The three are equal, may still become so by themselves (waiting), or are different."""

    EQUAL = "equal"
    WAITING = "waiting"
    DIFFERENT = "different"


class FindingState(StrEnum):
    """A finding is open until it was repaired, or was gone by itself when looked at again."""

    OPEN = "open"
    REPAIRED = "repaired"
    GONE = "gone"


class ReconciliationCheck(Base):
    """One usage type of one billing period `[period_start, period_end)`, as it was compared last.

    Quantities are units of the usage type; of a level they are its last value. `ledger` is what the ledger holds, by
    `events` rows; `told` what Stripe was told; `summary` what Stripe's meter has; `invoiced` what the invoice bills,
    None without one; `proposed` what is asked for or given back outside of the meter. `verified_at` is when rollups
    were last compared with the ledger.
    """

    __tablename__ = "reconciliation_checks"
    __table_args__ = (
        CheckConstraint("state IN ('equal', 'waiting', 'different')", name="state"),
        Index(
            "ix_reconciliation_checks_different",
            "tenant_id",
            "period_start",
            postgresql_where=text("state = 'different'"),
        ),
    )

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    period_start: Mapped[datetime] = mapped_column(primary_key=True)
    usage_type: Mapped[str] = mapped_column(primary_key=True)
    period_end: Mapped[datetime]
    ledger: Mapped[int]
    events: Mapped[int]
    told: Mapped[int]
    summary: Mapped[int]
    invoiced: Mapped[int | None]
    proposed: Mapped[int]
    invoice_id: Mapped[str | None]
    state: Mapped[str]
    reason: Mapped[str | None]
    checked_at: Mapped[datetime]
    verified_at: Mapped[datetime]


class ReconciliationFinding(Base):
    """One difference, named: its hour, its batch where one explains it, and the one repair that is offered.

    `key` says what it is about, so that a second look finds the same row. `expected` and `found` are quantities,
    `times` how often it was found anew after a repair.
    """

    __tablename__ = "reconciliation_findings"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key"),
        CheckConstraint("state IN ('open', 'repaired', 'gone')", name="state"),
        Index("ix_reconciliation_findings_newest", "id"),
        Index("ix_reconciliation_findings_open", "tenant_id", "id", postgresql_where=text("state = 'open'")),
        Index("ix_reconciliation_findings_period", "tenant_id", "period_start"),
    )

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    key: Mapped[str]
    kind: Mapped[str]
    usage_type: Mapped[str]
    period_start: Mapped[datetime]
    hour: Mapped[datetime | None]
    meter_event_id: Mapped[int | None]
    identifier: Mapped[str | None]
    expected: Mapped[int]
    found: Mapped[int]
    repair: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'open'"))
    times: Mapped[int] = mapped_column(server_default=text("1"))
    found_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    repaired_at: Mapped[datetime | None]
    repaired_by: Mapped[str | None]
    outcome: Mapped[str | None]
