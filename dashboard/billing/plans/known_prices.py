"""What prices mean, read once for all that is looked up together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.plans.plans import PricePins
from dashboard.models import CatalogPrice, PriceMapping

NO_PINS = PricePins(plans={}, meters={})


class BoughtPlan(NamedTuple):
    """What a subscription bought. `interval` is None where the price's is neither a month nor a year."""

    plan: str
    interval: str | None
    price_id: str


class CatalogueEntry(NamedTuple):
    """A price of the catalogue, on sale or archived. `usage_type` None: the base fee of its plan."""

    plan: str
    interval: str
    usage_type: str | None


@dataclass(frozen=True, slots=True)
class KnownPrices:
    """Prices by id: what staff said they mean, and what the catalogue says."""

    mapped: Mapping[str, BoughtPlan]
    catalogue: Mapping[str, CatalogueEntry]

    def bought_by(self, price_ids: Sequence[str], pins: PricePins) -> BoughtPlan | None:
        """The plan of the base price among these, by pins, by staff, by the catalogue; or None."""
        pinned = next((price_id for price_id in price_ids if price_id in pins.plans), None)
        if pinned is not None:
            return BoughtPlan(*pins.plans[pinned], pinned)
        mapped = next((self.mapped[price_id] for price_id in price_ids if price_id in self.mapped), None)
        if mapped is not None:
            return mapped
        for price_id in price_ids:
            entry = self.catalogue.get(price_id)
            if entry is not None and entry.usage_type is None:
                return BoughtPlan(entry.plan, entry.interval, price_id)
        return None

    def plan_of_lines(self, price_ids: Sequence[str]) -> str | None:
        """The plan of an invoice by its prices: that of the base fee, else of a metered price."""
        base = self.bought_by(price_ids, NO_PINS)
        if base is not None:
            return base.plan
        return next((plan for price_id in price_ids if (plan := self.plan_of(price_id))), None)

    def plan_of(self, price_id: str | None) -> str | None:
        """The plan of a price of the catalogue."""
        entry = self.catalogue.get(price_id or "")
        return entry.plan if entry else None

    def usage_type_of(self, price_id: str | None) -> str | None:
        """The usage type that a metered price bills."""
        entry = self.catalogue.get(price_id or "")
        return entry.usage_type if entry else None


def read_prices(session: Session, price_ids: Collection[str]) -> KnownPrices:
    """What these prices mean, as far as it is known here."""
    if not price_ids:
        return KnownPrices({}, {})
    mapped = session.execute(
        select(PriceMapping.price_id, PriceMapping.plan, PriceMapping.interval).where(
            PriceMapping.price_id.in_(price_ids)
        )
    )
    catalogue = session.execute(
        select(CatalogPrice.price_id, CatalogPrice.plan, CatalogPrice.interval, CatalogPrice.usage_type).where(
            CatalogPrice.price_id.in_(price_ids)
        )
    )
    return KnownPrices(
        {row.price_id: BoughtPlan(row.plan, row.interval, row.price_id) for row in mapped},
        {row.price_id: CatalogueEntry(row.plan, row.interval, row.usage_type) for row in catalogue},
    )
