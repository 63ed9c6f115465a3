"""Reading a catalogue file (TOML) and saying exactly what is wrong with it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.plans.catalog import (
    INTERVALS,
    Catalog,
    CatalogError,
    MeterDefinition,
    PlanDefinition,
    Tier,
    base_lookup_key,
    metered_lookup_key,
)
from dashboard.billing.plans.catalog_table import KEY, Table

T = TypeVar("T")
TAX_BEHAVIORS = ("exclusive", "inclusive", "unspecified")
MAX_AMOUNT = 99_999_999  # Stripe's limit for one price, in minor units
MAX_HIGHLIGHTS = 15  # Stripe's limit of marketing features
MAX_TRIAL_DAYS = 730


def read_catalog(path: Path) -> Catalog:
    """The catalogue of a file.

    Raises `CatalogError`.
    """
    try:
        # Decimal: a rate of 0.035 is exactly that.
        values = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(f"{path}: is no TOML: {error}") from error
    return parse_catalog(values, str(path))


def parse_catalog(values: dict[str, Any], source: str) -> Catalog:
    """The catalogue of a parsed file; `source` names it in messages.

    Raises `CatalogError`.
    """
    root = Table(source, "", values)
    currency = root.text("currency", pattern=r"[a-z]{3}", allowed="a currency of three small letters, such as usd")
    tax = root.table("tax", needed=False)
    meters = _each(root.table("meters"), _meter)
    features = root.table("features", needed=False)
    names = {key: features.text(key, longest=80) for key in features.keys_of(KEY)}
    known = _Known(tuple(meters), tuple(names))
    plans = _each(root.table("plans"), lambda table, key: _plan(table, key, known))
    if not plans:
        raise root.problem("plans", "must hold at least one plan")
    behavior = tax.choice("behavior", TAX_BEHAVIORS, "unspecified")
    code = tax.text("code", default="", pattern=r"(txcd_\d{8})?", allowed="a tax code such as txcd_10103001") or None
    catalog = Catalog(
        currency=currency,
        brand=root.text("brand", longest=80),
        tax_behavior=behavior,
        tax_code=code,
        plan_without_subscription=root.choice("plan_without_subscription", tuple(plans)),
        meters=meters,
        features=names,
        plans=plans,
    )
    _no_two_alike(root, "event_name", [(key, meter.event_name) for key, meter in meters.items()])
    _no_two_alike(
        root, "lookup key at Stripe", [(plan.key, key) for plan in plans.values() for key in _keys(plan, meters)]
    )
    tax.finish()
    root.finish()
    return catalog


@dataclass(frozen=True, slots=True)
class _Known:
    """What a plan may name: the usage types with a meter, and the features."""

    meters: tuple[str, ...]
    features: tuple[str, ...]


def _each(table: Table, read: Callable[[Table, str], T]) -> dict[str, T]:
    return {key: read(table.table(key), key) for key in table.keys_of(KEY)}


def _meter(table: Table, key: str) -> MeterDefinition:
    kind = USAGE_TYPES.get(key)
    if kind is None:
        raise table.problem(None, f"is no usage type; they are {', '.join(USAGE_TYPES)}")
    table.choice("aggregation", (kind.aggregation.value,))
    meter = MeterDefinition(
        usage_type=kind,
        event_name=table.text(
            "event_name", longest=100, pattern=r"[A-Za-z0-9_.-]+", allowed="letters, digits, _ . and -"
        ),
        name=table.text("name", longest=250),
        window=table.choice("window", ("", "hour", "day"), "") or None,
    )
    table.finish()
    return meter


def _plan(table: Table, key: str, known: _Known) -> PlanDefinition:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", key):
        raise table.problem(None, "the key of a plan must be small letters, digits and _, beginning with a letter")
    prices, usage = table.table("prices"), table.table("usage", needed=False)
    for name in usage.keys_of(KEY):
        if name not in known.meters:
            raise usage.problem(name, f"has no meter; those in [meters] are {', '.join(known.meters)}")
    plan = PlanDefinition(
        key=key,
        name=table.text("name", longest=80),
        description=table.text("description", longest=500, default=""),
        highlights=table.texts("highlights", longest=80, most=MAX_HIGHLIGHTS),
        features=table.choices("features", known.features),
        prices={name: fee for name in INTERVALS if (fee := prices.whole(name, 0, MAX_AMOUNT, default=-1)) >= 0},
        tiers={name: _tiers(usage.table(name)) for name in usage.keys_of(KEY)},
        trial_days=table.whole("trial_days", 0, MAX_TRIAL_DAYS, default=0),
    )
    if "monthly" not in plan.prices:
        raise prices.problem("monthly", "is missing: every plan is sold by the month")
    for each in (prices, usage, table):
        each.finish()
    return plan


def _tiers(table: Table) -> tuple[Tier, ...]:
    """What is included, then one rate or several tiers."""
    included = table.whole("included", 0, 10**15, default=0)
    free = (Tier(included, Decimal(0)),) if included else ()
    beyond = _several(table, included) if "tiers" in table.values else (Tier(None, table.rate("rate")),)
    table.finish()
    return free + beyond


def _several(table: Table, included: int) -> tuple[Tier, ...]:
    given = table.tables("tiers")
    tiers, below = [], included
    for n, each in enumerate(given):
        is_last = n == len(given) - 1
        if is_last and "up_to" in each.values:
            raise each.problem("up_to", "must be left out of the last tier, which takes all the rest")
        up_to = None if is_last else each.whole("up_to", below + 1, 10**15)
        tiers.append(Tier(up_to, each.rate("rate")))
        below = up_to or below
        each.finish()
    return tuple(tiers)


def _keys(plan: PlanDefinition, meters: Mapping[str, MeterDefinition]) -> list[str]:
    bases = [base_lookup_key(plan.key, interval) for interval in plan.prices]
    return bases + [metered_lookup_key(plan.key, meters[name]) for name in plan.tiers]


def _no_two_alike(root: Table, what: str, named: list[tuple[str, str]]) -> None:
    seen: dict[str, str] = {}
    for owner, name in named:
        if name in seen:
            raise root.problem(None, f"{seen[name]} and {owner} have the same {what}: {name}")
        seen[name] = owner
