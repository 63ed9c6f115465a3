"""`flask stripe setup` (plan, apply, verify) and `flask stripe map-price`."""

from __future__ import annotations

from dashboard.cli_stripe.mapping import map_price
from dashboard.cli_stripe.setup import setup

__all__ = ["map_price", "setup"]
