"""The ledger of billable actions and its totals by hour and by day."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class UsageEvent(Base):
    """One billable action. Append-only: triggers of the migration refuse UPDATE, DELETE and TRUNCATE.

    It has no foreign key to its tenant: the rollup that comes with each row has it (docs/decisions/0009).

    `occurred_at` is billing time, `recorded_at` when we took it in. `fingerprint` is the SHA-256 of what the
    caller sent, so that the same key with another body can be told from a repeat.
    """

    __tablename__ = "billing_usage"
    __table_args__ = (
        UniqueConstraint("tenant_id", "idempotency_key"),
        ForeignKeyConstraint(
            ["tenant_id", "corrects_id"],
            ["billing_usage.tenant_id", "billing_usage.id"],
            name="fk_billing_usage_corrects",
            ondelete="RESTRICT",
        ),
        Index(
            "ux_billing_usage_corrects",
            "tenant_id",
            "corrects_id",
            unique=True,
            postgresql_where=text("corrects_id IS NOT NULL"),
        ),
        CheckConstraint("quantity >= 0 OR corrects_id IS NOT NULL", name="negative_only_corrects"),
        CheckConstraint("jsonb_typeof(metadata) = 'object'", name="metadata_object"),
        Index("ix_billing_usage_type_time", "tenant_id", "usage_type", "occurred_at"),
    )

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    usage_type: Mapped[str]
    quantity: Mapped[int]
    user_id: Mapped[str | None]
    resource_type: Mapped[str | None]
    resource_id: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column("metadata", server_default=text("'{}'"))
    source: Mapped[str]
    idempotency_key: Mapped[str]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    corrects_id: Mapped[int | None]


class UsageRollup(Base):
    """The total of one tenant and type in one bucket, kept in the ledger's own transaction.

    A bucket is an hour, cut where a billing period begins or ends inside it, so a bucket belongs to one period.
    For a level (`STORAGE_USED_MB`) `quantity` is the latest reading and `last_at` its time.
    `claimed` is what has been claimed for Stripe so far, in `claim_sequence` steps; `is_due` while more is owed. Of it
    `settled` is what no meter event tells: it went to a billing proposal.
    """

    __tablename__ = "usage_rollups"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    usage_type: Mapped[str] = mapped_column(primary_key=True)
    bucket_start: Mapped[datetime] = mapped_column(primary_key=True)
    quantity: Mapped[int]
    events: Mapped[int]
    last_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    claimed: Mapped[int] = mapped_column(server_default=text("0"))
    claim_sequence: Mapped[int] = mapped_column(server_default=text("0"))
    settled: Mapped[int] = mapped_column(server_default=text("0"))
    is_due: Mapped[bool] = mapped_column(Computed("quantity <> claimed OR claim_sequence = 0", persisted=True))


class UsageDay(Base):
    """The total of one tenant and type in one UTC day, kept in the ledger's own transaction.

    What pages and reports read for whole days; the hours beside it serve the ends of a period and Stripe's meters.
    For a level `quantity` is the day's latest reading and `last_at` its time.
    """

    __tablename__ = "usage_days"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    usage_type: Mapped[str] = mapped_column(primary_key=True)
    day_start: Mapped[datetime] = mapped_column(primary_key=True)
    quantity: Mapped[int]
    events: Mapped[int]
    last_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


# Finds what is owed to Stripe without reading history: of metered types only, the others stay due for ever.
Index(
    "ix_usage_rollups_due",
    UsageRollup.tenant_id,
    UsageRollup.usage_type,
    UsageRollup.bucket_start,
    postgresql_where=text("is_due"),
)

# Finds usage that came late without reading the rest: what is recorded within the hour is not in it.
Index(
    "ix_billing_usage_late",
    UsageEvent.tenant_id,
    UsageEvent.occurred_at,
    postgresql_where=text("recorded_at - occurred_at > interval '1 hour'"),
)

# Corrections are few: an explanation of an invoice line reads them alone.
Index(
    "ix_billing_usage_corrections",
    UsageEvent.tenant_id,
    UsageEvent.usage_type,
    UsageEvent.occurred_at,
    postgresql_where=text("corrects_id IS NOT NULL"),
)

# A tenant's story shows them in the order in which they came.
Index(
    "ix_billing_usage_corrections_came",
    UsageEvent.tenant_id,
    UsageEvent.recorded_at,
    postgresql_where=text("corrects_id IS NOT NULL"),
)
