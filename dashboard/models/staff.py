"""What staff work with: their read-only views of tenants, and figures over all tenants that a job keeps ready."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Date, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class StaffView(Base):
    """A member of staff looking at a tenant's pages, read-only, `[started_at, ends_at)` unless stopped before.

    `tenant_id` is no foreign key: views are a list of staff that joins no tenant table. A person has one at a time.
    """

    __tablename__ = "staff_views"
    __table_args__ = (
        Index("ux_staff_views_live", "user_id", unique=True, postgresql_where=text("stopped_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    tenant_id: Mapped[int]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    reason: Mapped[str]
    started_at: Mapped[dt.datetime]
    ends_at: Mapped[dt.datetime]
    stopped_at: Mapped[dt.datetime | None]


class TenantUsageTotal(Base):
    """What one tenant used of one type on a day, in a month and in the billing period that ran at `refreshed_at`.

    UTC days; `month` is its first day. Quantities are the type's units (of a level the latest reading), events are
    actions. A row says nothing of a later day, month or period: there the figure is 0 until it is refreshed.
    """

    __tablename__ = "tenant_usage_totals"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    usage_type: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[dt.date] = mapped_column(Date)
    day_quantity: Mapped[int]
    day_events: Mapped[int]
    month: Mapped[dt.date] = mapped_column(Date)
    month_quantity: Mapped[int]
    month_events: Mapped[int]
    period_start: Mapped[dt.datetime]
    period_end: Mapped[dt.datetime]
    period_quantity: Mapped[int]
    period_events: Mapped[int]
    refreshed_at: Mapped[dt.datetime]


class TenantPeriodEvents(Base):
    """How many actions a tenant had in the billing period that ran when its totals were refreshed last.

    Of another period it says nothing: there the figure is 0 until it is refreshed.
    """

    __tablename__ = "tenant_period_events"
    __table_args__ = (Index("ix_tenant_period_events_most", text("events DESC"), "tenant_id"),)

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    period_start: Mapped[dt.datetime]
    period_end: Mapped[dt.datetime]
    events: Mapped[int]


class StaffUsageTotal(Base):
    """What all tenants used of one type on a day and in a month, as `TenantUsageTotal` has it for each."""

    __tablename__ = "staff_usage_totals"

    usage_type: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[dt.date] = mapped_column(Date)
    day_quantity: Mapped[int]
    day_events: Mapped[int]
    month: Mapped[dt.date] = mapped_column(Date)
    month_quantity: Mapped[int]
    month_events: Mapped[int]


class StaffPlanCount(Base):
    """How many tenants have a plan and are in a billing state (`Access`)."""

    __tablename__ = "staff_plan_counts"

    plan: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    tenants: Mapped[int]


class StaffCount(Base):
    """A count over all tenants that takes too long for a page: what it was at `counted_at`."""

    __tablename__ = "staff_counts"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int]
    counted_at: Mapped[dt.datetime]
