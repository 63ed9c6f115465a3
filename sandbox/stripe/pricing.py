"""What a price makes of a quantity: per unit, graduated or volume tiers; and amounts in words."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from sandbox.store import Thing
from sandbox.world import World

SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£"}


@dataclass(frozen=True, slots=True)
class TierPart:
    """What one tier takes: its number from 1, the units in it, and their rate; or its flat amount, without units."""

    number: int
    units: int
    rate: Decimal
    is_flat: bool = False

    @property
    def amount(self) -> int:
        """Minor units, rounded by itself."""
        return round_half_up(self.rate if self.is_flat else self.rate * self.units)


def tiers_of(world: World, price: Thing) -> list[Thing]:
    """The tiers of a tiered price: Stripe sends them only to those who ask for them."""
    tiers: list[Thing] = world.need("price_tiers", price["id"])["tiers"]
    return tiers


def tier_parts(mode: str, tiers: list[Thing], quantity: int) -> list[TierPart]:
    """Graduated: one part for each tier reached. Volume: every unit at the rate of the tier the total falls into."""
    parts, below = [], 0
    for number, tier in enumerate(tiers, 1):
        is_last = tier["up_to"] is None or quantity <= tier["up_to"]
        if mode == "volume" and not is_last:
            continue
        top = quantity if is_last else tier["up_to"]
        parts += _parts_of(tier, number, quantity if mode == "volume" else top - below)
        below = top
        if is_last:
            break
    return parts


def _parts_of(tier: Thing, number: int, units: int) -> list[TierPart]:
    """A tier's units, and its flat amount as a part of its own.

    In doubt: that Stripe bills the flat amount as a line of quantity 0 beside the units, was seen in 2022 only.
    """
    parts = [TierPart(number, units, Decimal(tier["unit_amount_decimal"] or 0))]
    if tier["flat_amount_decimal"] is not None:
        parts.append(TierPart(number, 0, Decimal(tier["flat_amount_decimal"]), is_flat=True))
    return parts


def amount_of(world: World, price: Thing, quantity: int) -> int:
    """Minor units of a licensed price for a whole period."""
    if price["billing_scheme"] == "tiered":
        return sum(part.amount for part in tier_parts(price["tiers_mode"], tiers_of(world, price), quantity))
    return round_half_up(Decimal(price["unit_amount_decimal"]) * quantity)


def round_half_up(amount: Decimal) -> int:
    """Minor units, halves away from zero."""
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def money(minor: Decimal | int, currency: str = "usd") -> str:
    """An amount or a rate in words: at least two decimals, as many as it needs."""
    text = format((abs(Decimal(minor)) / 100).normalize(), "f")
    whole, _, rest = text.partition(".")
    symbol = SYMBOLS.get(currency, f"{currency.upper()} ")
    return f"{'-' if minor < 0 else ''}{symbol}{whole}.{rest.ljust(2, '0')}"
