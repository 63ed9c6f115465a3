"""What an action works with: the tenant's own store, media folder, usage client and the way to its phones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from countinghouse_client import Countinghouse

from examples.platform.config import Config
from examples.platform.phones import Phones
from examples.platform.store import Store


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant of the platform."""

    usage: Countinghouse
    phones: Phones
    store: Store
    media: Path
    webhook_secret: str | None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, for which tenant, and when (None: now)."""

    tenant: Tenant
    user: str
    at: datetime | None = None


class BadField(ValueError):
    """A field of an action is missing or of the wrong kind."""


class Fields:
    """The fields of an action as its caller gave them."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    def text(self, name: str, default: str | None = None) -> str:
        """A text that is not empty."""
        value = self._given.get(name, default)
        if not isinstance(value, str) or not value:
            raise BadField(f"{name} must be a text")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of texts; empty if it is not given."""
        value = self._given.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise BadField(f"{name} must be a list of texts")
        return value

    def number(self, name: str, default: int) -> int:
        """A whole number, 0 or more."""
        value = self._given.get(name, default)
        if not isinstance(value, int) or value < 0:
            raise BadField(f"{name} must be a whole number, 0 or more")
        return value


def open_tenants(config: Config) -> dict[str, Tenant]:
    """One usage client for each tenant, for as long as this process lives. All of them share one spool folder."""
    return {
        name: Tenant(
            usage=Countinghouse(config.countinghouse, tenant.api_key, spool=config.data / "spool"),
            phones=Phones(config.countinghouse, tenant.api_key),
            store=Store(config.data / f"{name}.db"),
            # Countinghouse measures this folder every day (STORAGE_ROOT): its name is the tenant's id there.
            media=config.media / str(tenant.id),
            webhook_secret=tenant.webhook_secret,
        )
        for name, tenant in config.tenants.items()
    }
