"""Stripe's nested form parameters: `items[0][price]=…` as dicts and lists, and a reader that knows what was read."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

from sandbox.errors import StripeFault

_PART = re.compile(r"\[([^\]]*)\]")


def decode(raw: str) -> dict[str, Any]:
    """A form or query string as nested dicts; keys that are all numbers (or empty) become lists."""
    root: dict[str, Any] = {}
    for name, value in parse_qsl(raw, keep_blank_values=True):
        head = name.partition("[")[0]
        path = [head, *_PART.findall(name[len(head) :])]
        place = root
        for part, following in pairwise(path):
            place = place.setdefault(part or str(len(place)), {})
            if not isinstance(place, dict):
                raise StripeFault(f"Invalid parameter: {name}", param=following)
        place[path[-1] or str(len(place))] = value
    return {key: _lists(value) for key, value in root.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _lists(inner) for key, inner in value.items()}


class Params:
    """The parameters of one call. What no one asked for is refused, as Stripe does."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.read: set[str] = {"expand"}

    def take(self, name: str, default: Any = None) -> Any:
        """A parameter as it was sent."""
        self.read.add(name)
        return self.values.get(name, default)

    def need(self, name: str) -> Any:
        """A parameter that must be there."""
        value = self.take(name)
        if value in (None, ""):
            raise StripeFault(f"Missing required param: {name}.", param=name, code="parameter_missing")
        return value

    def integer(self, name: str, default: int | None = None) -> int | None:
        """A whole number."""
        value = self.take(name)
        if value in (None, ""):
            return default
        try:
            return int(value)
        except (TypeError, ValueError):
            raise StripeFault(f"Invalid integer: {value}", param=name, code="parameter_invalid_integer") from None

    def flag(self, name: str, *, default: bool | None = None) -> bool | None:
        """`true` or `false`."""
        value = self.take(name)
        if value is None:
            return default
        if value not in {"true", "false"}:
            raise StripeFault(f"Invalid boolean: {value}", param=name)
        return bool(value == "true")

    def choice(self, name: str, allowed: tuple[str, ...], default: str | None = None) -> str | None:
        """One of a few words."""
        value: str | None = self.take(name, default)
        if value is not None and value not in allowed:
            raise StripeFault(f"Invalid {name}: must be one of {', '.join(allowed)}", param=name)
        return value

    def metadata(self, before: dict[str, str] | None = None) -> dict[str, str]:
        """Metadata laid over what was there; an empty value takes a key away."""
        given = self.take("metadata")
        if given == "":
            return {}
        merged = {**(before or {}), **(given or {})}
        return {key: value for key, value in merged.items() if value != ""}

    def finish(self) -> None:
        """Refuse what nobody read."""
        unknown = sorted(set(self.values) - self.read)
        if unknown:
            raise StripeFault(f"Received unknown parameter: {unknown[0]}", param=unknown[0], code="parameter_unknown")
