"""A measured figure, and the line of JSON it becomes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure beside what it should reach; `is_limit` says that less is better."""

    name: str
    value: float
    unit: str
    reach: float | None = None
    is_limit: bool = False
    more: dict[str, object] = field(default_factory=dict)

    @property
    def is_reached(self) -> bool | None:
        """Whether it is as good as it should be; None where nothing is asked."""
        if self.reach is None:
            return None
        return self.value <= self.reach if self.is_limit else self.value >= self.reach

    def line(self, copy_rate: float | None) -> str:
        """The figure as a line of JSON, with its ratio to the raw COPY rate where it is a rate of events."""
        row: dict[str, object] = {"name": self.name, "value": _rounded(self.value), "unit": self.unit}
        if self.reach is not None:
            row |= {"reach": self.reach, "reached": self.is_reached, "less_is_better": self.is_limit}
        if copy_rate and self.unit == "events/s":
            row["ratio_to_copy"] = round(self.value / copy_rate, 3)
        return json.dumps(row | self.more)


def _rounded(value: float) -> float:
    return round(value) if value >= 1_000 else round(value, 3)
