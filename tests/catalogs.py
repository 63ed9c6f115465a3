"""Catalogue files to test with: the one that ships, changed here and there."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from dashboard.billing.plans.catalog import DEFAULT_FILE, Catalog
from dashboard.billing.plans.catalog_file import parse_catalog


def catalog_values() -> dict[str, Any]:
    """The shipped file as plain values, to change."""
    return tomllib.loads(DEFAULT_FILE.read_text(), parse_float=Decimal)


def changed_catalog(change: Callable[[dict[str, Any]], object]) -> Catalog:
    """The shipped catalogue after a change to its values."""
    values = catalog_values()
    change(values)
    return parse_catalog(values, "catalog.toml")
