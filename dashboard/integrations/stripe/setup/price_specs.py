"""The prices that the catalogue wants, and whether one of Stripe's is such a price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import stripe

from dashboard.billing.plans.catalog import INTERVALS, Catalog, Tier, base_lookup_key, metered_lookup_key
from dashboard.billing.plans.plans import PricePins
from dashboard.billing.plans.pricing import tiers_as_json
from dashboard.integrations.stripe.setup.products import product_id_of
from dashboard.integrations.stripe.setup.steps import MANAGED, differences
from dashboard.integrations.stripe.translate import id_of
from dashboard.models import CatalogPrice

if TYPE_CHECKING:
    from stripe.params import PriceCreateParams


@dataclass(frozen=True, slots=True)
class PriceSpec:
    """One price of the catalogue: a base fee (`unit_amount`, minor units an interval) or a metered type (`tiers`).

    `pinned` is the id that the environment names for it.
    """

    plan: str
    interval: str
    usage_type: str | None
    lookup_key: str
    nickname: str
    currency: str
    tax_behavior: str
    unit_amount: int | None = None
    tiers: tuple[Tier, ...] = ()
    pinned: str | None = None

    @property
    def product_id(self) -> str:
        """The product it belongs to."""
        return product_id_of(self.plan)

    @property
    def setting(self) -> str | None:
        """The environment variable of a base fee."""
        return None if self.usage_type else f"STRIPE_PRICE_{self.plan.upper()}_{self.interval.upper()}"

    @property
    def metadata(self) -> dict[str, str]:
        """What tells at Stripe what the price is."""
        which = {"usage_type": self.usage_type} if self.usage_type else {"interval": self.interval}
        return {**MANAGED, "plan": self.plan, **which}


def price_specs(catalog: Catalog, pins: PricePins) -> list[PriceSpec]:
    """Every price of the catalogue: for each plan its base fees, then its metered prices.

    The metered prices are monthly, whatever the base is: usage of a yearly plan is billed month by month.
    """
    pinned = {meaning: price_id for price_id, meaning in pins.plans.items()}
    specs = []
    for plan in catalog.plans.values():
        for interval, fee in plan.prices.items():
            specs.append(
                PriceSpec(
                    plan=plan.key,
                    interval=interval,
                    usage_type=None,
                    lookup_key=base_lookup_key(plan.key, interval),
                    nickname=f"{plan.name}, {interval}",
                    currency=catalog.currency,
                    tax_behavior=catalog.tax_behavior,
                    unit_amount=fee,
                    pinned=pinned.get((plan.key, interval)),
                )
            )
        for kind in catalog.metered:
            if kind.name not in plan.tiers:
                continue
            specs.append(
                PriceSpec(
                    plan=plan.key,
                    interval="monthly",
                    usage_type=kind.name,
                    lookup_key=metered_lookup_key(plan.key, catalog.meters[kind.name]),
                    nickname=f"{plan.name}, {kind.label}",
                    currency=catalog.currency,
                    tax_behavior=catalog.tax_behavior,
                    tiers=plan.tiers[kind.name],
                )
            )
    return specs


def params_of(spec: PriceSpec, meter_id: str | None) -> PriceCreateParams:
    """What creates the price. It takes the lookup key from the one that has it."""
    params: PriceCreateParams = {
        "product": spec.product_id,
        "currency": spec.currency,
        "lookup_key": spec.lookup_key,
        "transfer_lookup_key": True,
        "nickname": spec.nickname,
        "metadata": spec.metadata,
        "tax_behavior": spec.tax_behavior,
    }
    if spec.unit_amount is not None:
        unit = "month" if spec.interval == "monthly" else "year"
        params["unit_amount"] = spec.unit_amount
        params["recurring"] = {"interval": unit, "usage_type": "licensed"}
        return params
    params["billing_scheme"] = "tiered"
    params["tiers_mode"] = "graduated"
    params["tiers"] = [
        {"up_to": "inf" if tier.up_to is None else tier.up_to, "unit_amount_decimal": tier.rate} for tier in spec.tiers
    ]
    params["recurring"] = {"interval": "month", "usage_type": "metered", "meter": meter_id or ""}
    return params


def unlike(spec: PriceSpec, price: stripe.Price, meter_id: str | None) -> str:
    """What of a price differs that can never be changed; empty where it is the price that is wanted."""
    recurring = price.recurring
    can_set = price.tax_behavior in {None, "unspecified"} or spec.tax_behavior == "unspecified"
    return differences(
        [
            ("currency", price.currency, spec.currency),
            ("amount", price.unit_amount, spec.unit_amount),
            ("interval", recurring.interval if recurring else None, INTERVALS[spec.interval]),
            ("interval_count", recurring.interval_count if recurring else None, 1),
            ("meter", recurring.meter if recurring else None, meter_id),
            ("tiers_mode", price.tiers_mode, "graduated" if spec.tiers else None),
            ("tiers", _told(price.tiers or ()), _wanted(spec.tiers)),
            ("tax_behavior", spec.tax_behavior if can_set else price.tax_behavior, spec.tax_behavior),
        ]
    )


def row_of(spec: PriceSpec, price: stripe.Price) -> CatalogPrice:
    """The price as our table has it. A pinned price keeps its own amount and currency."""
    return CatalogPrice(
        price_id=price.id,
        product_id=id_of(price.product) or spec.product_id,
        plan=spec.plan,
        interval=spec.interval,
        usage_type=spec.usage_type,
        currency=price.currency,
        unit_amount=price.unit_amount,
        tiers=tiers_as_json(spec.tiers) if spec.tiers else None,
        active=True,
    )


def _told(tiers: list[stripe.Price.Tier] | tuple[()]) -> list[str]:
    """Tiers as words: flat amounts too, which the catalogue has none of."""
    return [
        _words(tier.up_to, Decimal(tier.unit_amount_decimal or 0), Decimal(tier.flat_amount_decimal or 0))
        for tier in tiers
    ]


def _wanted(tiers: tuple[Tier, ...]) -> list[str]:
    return [_words(tier.up_to, tier.rate, Decimal(0)) for tier in tiers]


def _words(up_to: int | None, rate: Decimal, flat: Decimal) -> str:
    reach = "beyond" if up_to is None else f"to {up_to}"
    extra = f" + {flat.normalize():f}" if flat else ""
    return f"{reach} at {rate.normalize():f}{extra}"
