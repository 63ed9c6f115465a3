"""The platform's settings: one JSON file, named by PLATFORM_CONFIG."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TenantConfig:
    """One tenant: its number at Countinghouse, its API key there, and the secret of its webhooks."""

    id: int
    api_key: str
    webhook_secret: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """`countinghouse` is its address; `data` holds our database and the spool, `media` what tenants store.

    With `accepts_action_time`, an action may say when it happened. It is for demonstrations only: whoever may set the
    time may move usage into another bill.
    """

    countinghouse: str
    data: Path
    media: Path
    tenants: dict[str, TenantConfig]
    accepts_action_time: bool = False


def load_config(path: Path | None = None) -> Config:
    """Read the file; `KeyError` or `TypeError` names what is missing or unknown."""
    given = json.loads((path or Path(os.environ["PLATFORM_CONFIG"])).read_text())
    tenants = {name: TenantConfig(**tenant) for name, tenant in given.pop("tenants").items()}
    return Config(data=Path(given.pop("data")), media=Path(given.pop("media")), tenants=tenants, **given)
