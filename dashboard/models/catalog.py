"""What is for sale, as Stripe has it: meters and prices. Small tables without a tenant."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class CatalogMeter(Base):
    """The Stripe meter that counts one usage type."""

    __tablename__ = "catalog_meters"

    usage_type: Mapped[str] = mapped_column(primary_key=True)
    meter_id: Mapped[str]
    event_name: Mapped[str]


class PriceMapping(Base):
    """What staff said a price means that the catalogue does not know: the base fee of a plan."""

    __tablename__ = "price_mappings"

    price_id: Mapped[str] = mapped_column(primary_key=True)
    plan: Mapped[str]
    interval: Mapped[str]
    mapped_by: Mapped[str]
    mapped_at: Mapped[datetime]


class CatalogPrice(Base):
    """One Stripe price of a plan: its base fee, or one metered usage type with its tiers.

    `unit_amount` is minor units an interval (base prices). `tiers` is `[{"up_to": int | null,
    "unit_amount_decimal": str}]` in minor units, graduated (metered prices).
    """

    __tablename__ = "catalog_prices"
    __table_args__ = (
        Index(
            "ux_catalog_prices_active",
            "plan",
            "interval",
            "usage_type",
            unique=True,
            postgresql_where=text("active"),
            postgresql_nulls_not_distinct=True,
        ),
    )

    price_id: Mapped[str] = mapped_column(primary_key=True)
    product_id: Mapped[str]
    plan: Mapped[str]
    interval: Mapped[str]
    usage_type: Mapped[str | None]
    currency: Mapped[str]
    unit_amount: Mapped[int | None]
    tiers: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    active: Mapped[bool] = mapped_column(default=True)

    @property
    def included(self) -> int:
        """Units of the first tier when it is free, else 0."""
        first = (self.tiers or [{}])[0]
        return int(first.get("up_to") or 0) if Decimal(first.get("unit_amount_decimal") or 0) == 0 else 0

    @property
    def overage_rate(self) -> Decimal | None:
        """Minor units for the first unit beyond what is included."""
        beyond = [tier for tier in self.tiers or [] if tier.get("up_to") is None or tier["up_to"] > self.included]
        return Decimal(beyond[0]["unit_amount_decimal"]) if beyond else None
