"""The plans, what they include and cost, and which plan a price means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.billing.usage_types import METERED, UsageType
from dashboard.models import CatalogMeter, CatalogPrice

CURRENCY = "usd"
INTERVALS = {"monthly": "month", "yearly": "year"}


@dataclass(frozen=True, slots=True)
class PlanDefinition:
    """One plan: base fee in minor units, and for each metered type (units included, minor units beyond)."""

    key: str
    name: str
    monthly: int
    yearly: int
    allowances: Mapping[str, tuple[int, Decimal]]

    def amount(self, interval: str) -> int:
        """The base fee of "monthly" or "yearly", in minor units."""
        return self.monthly if interval == "monthly" else self.yearly


def _allowances(
    sms: tuple[int, str], calls: tuple[int, str], ai: tuple[int, str], voice: tuple[int, str], storage: tuple[int, str]
) -> dict[str, tuple[int, Decimal]]:
    rows = {
        "SMS_SENT": sms,
        "SMS_RECEIVED": (sms[0], "0.75"),
        "CALL_DURATION_SECONDS": calls,
        "AI_MESSAGE_GENERATED": ai,
        "AI_VOICE_GENERATED": voice,
        "STORAGE_USED_MB": storage,
    }
    return {name: (included, Decimal(rate)) for name, (included, rate) in rows.items()}


# A year costs ten months. Free has no overage in practice: it carries the Starter rates, and no subscription.
PLANS: dict[str, PlanDefinition] = {
    plan.key: plan
    for plan in (
        PlanDefinition(
            "free",
            "Free",
            0,
            0,
            _allowances((20, "2.4"), (1_800, "0.035"), (50, "1.2"), (5, "6"), (100, "0.02")),
        ),
        PlanDefinition(
            "starter",
            "Starter",
            2900,
            29000,
            _allowances((100, "2.4"), (30_000, "0.035"), (500, "1.2"), (25, "6"), (1_000, "0.02")),
        ),
        PlanDefinition(
            "professional",
            "Professional",
            9900,
            99000,
            _allowances((500, "1.9"), (120_000, "0.03"), (2_500, "0.9"), (150, "5"), (10_000, "0.015")),
        ),
        PlanDefinition(
            "enterprise",
            "Enterprise",
            49900,
            499000,
            _allowances((2_500, "1.4"), (600_000, "0.022"), (15_000, "0.6"), (1_000, "4"), (100_000, "0.01")),
        ),
    )
}
FREE = PLANS["free"]


@dataclass(frozen=True, slots=True)
class PricePins:
    """Ids an operator pinned in the environment: they win over what the catalogue table says.

    `plans` maps a base price id to (plan, interval), `meters` a usage type to a meter id.
    """

    plans: Mapping[str, tuple[str, str]]
    meters: Mapping[str, str]


def plan_of_prices(session: Session, price_ids: list[str], pins: PricePins) -> tuple[str, str, str] | None:
    """(plan, interval, price id) of the base price among these, or None where none is ours."""
    for price_id in price_ids:
        if price_id in pins.plans:
            return (*pins.plans[price_id], price_id)
    price = session.scalars(
        select(CatalogPrice).where(CatalogPrice.price_id.in_(price_ids), CatalogPrice.usage_type.is_(None))
    ).first()
    return (price.plan, price.interval, price.price_id) if price else None


def usage_types_of_prices(session: Session, price_ids: set[str]) -> dict[str, str]:
    """The usage type that each metered price bills."""
    rows = session.execute(
        select(CatalogPrice.price_id, CatalogPrice.usage_type).where(
            CatalogPrice.price_id.in_(price_ids), CatalogPrice.usage_type.is_not(None)
        )
    )
    return {price_id: usage_type for price_id, usage_type in rows if usage_type}


def active_prices(session: Session) -> list[CatalogPrice]:
    """Every price on sale."""
    return list(session.scalars(select(CatalogPrice).where(CatalogPrice.active)))


def prices_of_plan(session: Session, plan: str, interval: str, pins: PricePins) -> tuple[str, list[str]] | None:
    """(base price id, metered price ids) to sell this plan, or None while the catalogue is not set up."""
    rows = [price for price in active_prices(session) if (price.plan, price.interval) == (plan, interval)]
    pinned = [price_id for price_id, pin in pins.plans.items() if pin == (plan, interval)]
    base = pinned or [price.price_id for price in rows if price.usage_type is None]
    metered = {price.usage_type: price.price_id for price in rows}
    # In the order of the registry: invoices then list usage in the order of the pages.
    return (base[0], [metered[kind.name] for kind in METERED if kind.name in metered]) if base else None


def metered_events(session: Session) -> dict[str, str]:
    """The meter event name of each usage type that has a meter at Stripe."""
    return {row.usage_type: row.event_name for row in session.scalars(select(CatalogMeter))}


def store_meter(session: Session, usage_type: UsageType, meter_id: str, event_name: str) -> None:
    """Remember the meter of a usage type."""
    statement = insert(CatalogMeter).values(usage_type=usage_type.name, meter_id=meter_id, event_name=event_name)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["usage_type"], set_={"meter_id": meter_id, "event_name": event_name}
        )
    )


def store_price(session: Session, price: CatalogPrice) -> None:
    """Remember a price; the one it replaces on sale stays known, so that old subscriptions keep their plan."""
    replaced = select(CatalogPrice).where(
        CatalogPrice.plan == price.plan,
        CatalogPrice.interval == price.interval,
        CatalogPrice.usage_type.is_not_distinct_from(price.usage_type),
        CatalogPrice.active,
        CatalogPrice.price_id != price.price_id,
    )
    for old in session.scalars(replaced):
        old.active = False
    session.flush()
    session.merge(price)
    session.flush()


def stop_selling(session: Session, price_id: str) -> None:
    """Sell this price no more; it stays known, so that subscriptions that have it keep their plan."""
    price = session.get(CatalogPrice, price_id)
    if price is not None:
        price.active = False
        session.flush()
