"""The plans in use, and the prices and meters that Stripe has for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.billing.ledger.usage_types import UsageType
from dashboard.billing.plans.catalog import DEFAULT_FILE, Catalog, PlanDefinition
from dashboard.billing.plans.catalog_file import read_catalog
from dashboard.models import CatalogMeter, CatalogPrice

# What pages call a subscription at a price that means no plan of ours.
OTHER_PLAN = "Other plan"


class _Process:
    """The catalogue of this process, once it was read."""

    catalog: Catalog | None = None


def use_catalog(path: Path | None) -> Catalog:
    """Read the file that this process works with: `path`, or the one that ships with the application.

    Raises `CatalogError`.
    """
    _Process.catalog = read_catalog(path or DEFAULT_FILE)
    return _Process.catalog


def catalog() -> Catalog:
    """The catalogue in use; the file is read once for the process."""
    return _Process.catalog or use_catalog(None)


class _Plans(Mapping[str, PlanDefinition]):
    """The plans of the catalogue in use, by key, in the order of the file."""

    def __getitem__(self, key: str) -> PlanDefinition:
        return catalog().plans[key]

    def __iter__(self) -> Iterator[str]:
        return iter(catalog().plans)

    def __len__(self) -> int:
        return len(catalog().plans)


PLANS: Mapping[str, PlanDefinition] = _Plans()


def free_plan() -> PlanDefinition:
    """The plan of a tenant without a subscription."""
    return PLANS[catalog().plan_without_subscription]


def plan_name(key: str | None) -> str:
    """A plan's name for people. None is a subscription at a price that means no plan of ours."""
    if key is None:
        return OTHER_PLAN
    return PLANS[key].name if key in PLANS else key.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class PricePins:
    """Ids an operator pinned in the environment: they win over what the catalogue table says.

    `plans` maps a base price id to (plan, interval), `meters` a usage type to a meter id.
    """

    plans: Mapping[str, tuple[str, str]]
    meters: Mapping[str, str]


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
    rows = session.scalars(select(CatalogPrice).where(CatalogPrice.plan == plan)).all()
    # A pin of a price that was replaced since is out of date: Checkout would refuse it.
    replaced = {price.price_id for price in rows if not price.active}
    pinned = [price_id for price_id, pin in pins.plans.items() if pin == (plan, interval) and price_id not in replaced]
    on_sale = [price for price in rows if price.active]
    base = pinned or [price.price_id for price in on_sale if (price.interval, price.usage_type) == (interval, None)]
    metered = {price.usage_type: price.price_id for price in on_sale}
    # In the order of the registry: invoices then list usage in the order of the pages.
    return (base[0], [metered[kind.name] for kind in catalog().metered if kind.name in metered]) if base else None


def metered_events(session: Session) -> dict[str, str]:
    """The meter event name of each usage type that has a meter at Stripe."""
    return {row.usage_type: row.event_name for row in session.execute(_METERED_EVENTS)}


_METERED_EVENTS = select(CatalogMeter.usage_type, CatalogMeter.event_name)


def store_meter(session: Session, usage_type: UsageType, meter_id: str, event_name: str) -> None:
    """Remember the meter of a usage type."""
    statement = insert(CatalogMeter).values(usage_type=usage_type.name, meter_id=meter_id, event_name=event_name)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["usage_type"], set_={"meter_id": meter_id, "event_name": event_name}
        )
    )


def retire_prices(session: Session, on_sale: set[str]) -> None:
    """Take every price off sale but these; it stays known, so that old subscriptions keep their plan."""
    for price in session.scalars(select(CatalogPrice).where(CatalogPrice.active)):
        if price.price_id not in on_sale:
            price.active = False
    session.flush()


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
