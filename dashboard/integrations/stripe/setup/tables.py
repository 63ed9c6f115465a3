"""Our tables of meters and prices, brought in step with what Stripe has."""

from __future__ import annotations

from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.plans.catalog import Catalog
from dashboard.billing.plans.plans import retire_prices, store_meter, store_price
from dashboard.integrations.stripe.setup.price_specs import PriceSpec, row_of
from dashboard.integrations.stripe.setup.steps import Action, Found, Step
from dashboard.models import CatalogMeter, CatalogPrice

FIELDS = ("product_id", "plan", "interval", "usage_type", "currency", "unit_amount", "tiers", "active")


def plan_tables(
    session: Session, catalog: Catalog, specs: list[PriceSpec], found: Found, *, follows_change: bool
) -> Step:
    """One step for all of them: it is due after any change of a meter or price, and where a table differs."""
    store = partial(_store, session, catalog, specs, found)
    if follows_change:
        return Step(Action.CHANGE, "our tables", "meters, prices", "take in what changes at Stripe", store)
    differing = _differing(session, catalog, specs, found)
    if differing:
        return Step(Action.CHANGE, "our tables", "meters, prices", f"rows that differ: {differing}", store)
    return Step(Action.KEEP, "our tables", "meters, prices")


def _differing(session: Session, catalog: Catalog, specs: list[PriceSpec], found: Found) -> int:
    meters = {row.usage_type: (row.meter_id, row.event_name) for row in session.scalars(select(CatalogMeter))}
    wanted = {name: (found.meters[name].id, found.meters[name].event_name) for name in catalog.meters}
    count = sum(meters.get(name) != meter for name, meter in wanted.items())
    rows = {row.price_id: row for row in session.scalars(select(CatalogPrice))}
    prices = {price.id: row_of(spec, price) for spec in specs for price in [found.prices[spec.lookup_key]]}
    count += sum(price_id not in rows or not _is_alike(rows[price_id], price) for price_id, price in prices.items())
    return count + sum(row.active and row.price_id not in prices for row in rows.values())


def _is_alike(row: CatalogPrice, wanted: CatalogPrice) -> bool:
    return all(getattr(row, name) == getattr(wanted, name) for name in FIELDS)


def _store(session: Session, catalog: Catalog, specs: list[PriceSpec], found: Found) -> None:
    for name, wanted in catalog.meters.items():
        store_meter(session, wanted.usage_type, found.meters[name].id, found.meters[name].event_name)
    rows = [row_of(spec, found.prices[spec.lookup_key]) for spec in specs]
    retire_prices(session, {row.price_id for row in rows})
    for row in rows:
        store_price(session, row)
