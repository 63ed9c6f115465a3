"""What periodic jobs noted of a tenant: how much it stores, and when its usage was last held against its limits."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Date, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class StorageReading(Base):
    """What we held for a tenant on a UTC day, in bytes. `ledger_bytes` are the rows up to `last_usage_id`.

    The ledger only grows, so the next reading measures the rows after that id and adds them.
    """

    __tablename__ = "storage_readings"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    last_usage_id: Mapped[int]
    ledger_bytes: Mapped[int]
    table_bytes: Mapped[int]
    file_bytes: Mapped[int]
    measured_at: Mapped[dt.datetime]


class UsageAlertLook(Base):
    """When a tenant's usage was last compared with what its plan includes."""

    __tablename__ = "usage_alert_looks"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    looked_at: Mapped[dt.datetime]
