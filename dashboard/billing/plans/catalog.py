"""The catalogue: plans, prices, tiers, meters and features as `catalog.toml` has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from dashboard.billing.ledger.usage_types import USAGE_TYPES, UsageType

DEFAULT_FILE = Path(__file__).resolve().parents[2] / "catalog.toml"
# Our name of an interval, and Stripe's.
INTERVALS = {"monthly": "month", "yearly": "year"}


class CatalogError(Exception):
    """The catalogue file is wrong; the message names the file, the table and the key, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Tier:
    """Units up to `up_to` (None: all the rest) cost `rate` each, in minor units. Tiers are graduated."""

    up_to: int | None
    rate: Decimal


@dataclass(frozen=True, slots=True)
class MeterDefinition:
    """The Stripe meter of a usage type. `window` is "hour" or "day" where Stripe keeps one value for each of them."""

    usage_type: UsageType
    event_name: str
    name: str
    window: str | None

    @property
    def formula(self) -> str:
        """Stripe's word for how values add up: "sum" or "last"."""
        return self.usage_type.aggregation.value


@dataclass(frozen=True, slots=True)
class PlanDefinition:
    """One plan. `prices` are base fees in minor units by interval, `tiers` what each metered type costs by its name.

    `highlights` are sentences for people, `features` the lookup keys of Stripe's entitlement features.
    """

    key: str
    name: str
    description: str
    highlights: tuple[str, ...]
    features: tuple[str, ...]
    prices: Mapping[str, int]
    tiers: Mapping[str, tuple[Tier, ...]]
    trial_days: int

    def amount(self, interval: str) -> int:
        """The base fee of "monthly" or "yearly", in minor units. Raises `KeyError` where it is not sold so."""
        return self.prices[interval]

    def included(self, usage_type: str) -> int | None:
        """Units of a metered type without a charge beyond the base fee; None where the plan does not name the type."""
        tiers = self.tiers.get(usage_type)
        if tiers is None:
            return None
        return tiers[0].up_to or 0 if tiers[0].rate == 0 else 0


def base_lookup_key(plan: str, interval: str) -> str:
    """What finds the price of a base fee at Stripe."""
    return f"{plan}_{interval}"


def metered_lookup_key(plan: str, meter: MeterDefinition) -> str:
    """What finds a metered price at Stripe."""
    return f"{plan}_{meter.event_name}"


@dataclass(frozen=True, slots=True)
class Catalog:
    """All that is for sale. `features` maps lookup keys to names; `meters` and `plans` are in the order of the file."""

    currency: str
    brand: str
    tax_behavior: str
    tax_code: str | None
    plan_without_subscription: str
    meters: Mapping[str, MeterDefinition]
    features: Mapping[str, str]
    plans: Mapping[str, PlanDefinition]

    @property
    def metered(self) -> tuple[UsageType, ...]:
        """The usage types that have a meter, in the order of the registry."""
        return tuple(kind for name, kind in USAGE_TYPES.items() if name in self.meters)
