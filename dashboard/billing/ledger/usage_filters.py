"""Narrowing the ledger to a user, a resource or a value in the metadata, as conditions of a query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dashboard.billing.fields import need_text, take_text


@dataclass(frozen=True, slots=True)
class UsageFilters:
    """What an event must have; None means anything. `metadata` holds a text for each top-level key.

    `without_user` leaves what names nobody.
    """

    user_id: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    without_user: bool = False

    def __bool__(self) -> bool:
        """Whether anything is narrowed at all."""
        return bool(self.metadata) or self.without_user or any(value is not None for value in self._columns().values())

    def condition(self) -> str:
        """SQL to follow a WHERE on `billing_usage u`; its values are `parameters()`."""
        columns = [f" AND u.{name} = :f_{name}" for name, value in self._columns().items() if value is not None]
        keys = [
            f" AND u.metadata ->> CAST(:f_key{n} AS text) = CAST(:f_value{n} AS text)"
            for n in range(len(self.metadata))
        ]
        nobody = [" AND u.user_id IS NULL"] if self.without_user else []
        return "".join(columns + keys + nobody)

    def parameters(self) -> dict[str, str]:
        """The values of `condition()`."""
        columns = {f"f_{name}": value for name, value in self._columns().items() if value is not None}
        for n, (key, value) in enumerate(self.metadata.items()):
            columns |= {f"f_key{n}": key, f"f_value{n}": value}
        return columns

    def _columns(self) -> dict[str, str | None]:
        return {"user_id": self.user_id, "resource_type": self.resource_type, "resource_id": self.resource_id}


def make_filters(
    *, user_id: str | None, resource_type: str | None, resource_id: str | None, metadata: Mapping[str, str]
) -> UsageFilters:
    """Filters of texts that came from outside.

    Raises `InvalidInput` with the field (`user_id`, `metadata.campaign` …).
    """
    return UsageFilters(
        user_id=take_text(user_id, "user_id"),
        resource_type=take_text(resource_type, "resource_type"),
        resource_id=take_text(resource_id, "resource_id"),
        metadata={need_text(key, "metadata"): need_text(value, f"metadata.{key}") for key, value in metadata.items()},
    )
