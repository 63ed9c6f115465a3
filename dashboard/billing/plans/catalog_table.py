"""One table of a catalogue file: it gives values of the right kind, and knows what nobody asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from dashboard.billing.plans.catalog import CatalogError

KEY = r"[A-Za-z][A-Za-z0-9_-]{0,79}"
_MISSING: Any = object()


class Table:
    """A table by its path, such as `plans.starter.usage`. Everything it refuses is a `CatalogError`."""

    def __init__(self, source: str, path: str, values: Any) -> None:
        self.source = source
        self.path = path
        if not isinstance(values, dict):
            raise self.problem(None, "must be a table")
        self.values: dict[str, Any] = values
        self._asked: set[str] = set()

    def problem(self, key: str | None, message: str) -> CatalogError:
        """An error about a key of this table, or about the table itself."""
        where = ".".join(part for part in (self.path, key) if part) or "the file"
        return CatalogError(f"{self.source}: {where}: {message}")

    def keys_of(self, pattern: str) -> list[str]:
        """Every key, in the order of the file; each must match the pattern."""
        for key in self.values:
            if not re.fullmatch(pattern, key):
                raise self.problem(key, "a key must be letters, digits, _ and -, beginning with a letter")
        return list(self.values)

    def table(self, key: str, *, needed: bool = True) -> Table:
        """A table in this one; an empty one where it is not needed."""
        path = f"{self.path}.{key}" if self.path else key
        return Table(self.source, path, self._take(key, _MISSING if needed else {}))

    def tables(self, key: str) -> list[Table]:
        """A list of tables, one at least."""
        given = self._take(key)
        if not isinstance(given, list) or not given:
            raise self.problem(key, "must be a list of one table or more")
        path = f"{self.path}.{key}" if self.path else key
        return [Table(self.source, f"{path}[{n}]", each) for n, each in enumerate(given)]

    def text(
        self,
        key: str,
        *,
        longest: int = 500,
        default: str = _MISSING,
        pattern: str = r"(?s).*",
        allowed: str = "text",
    ) -> str:
        """A text of at most `longest` characters; without a default it may not be empty."""
        value = self._take(key, default)
        if not isinstance(value, str) or not re.fullmatch(pattern, value) or len(value) > longest:
            raise self.problem(key, f"must be {allowed} (text of at most {longest} characters)")
        if not value.strip() and default is _MISSING:
            raise self.problem(key, "must not be empty")
        return value

    def texts(self, key: str, *, longest: int, most: int) -> tuple[str, ...]:
        """A list of texts, none of them empty."""
        value = self._take(key, [])
        if (
            not isinstance(value, list)
            or len(value) > most
            or not all(isinstance(each, str) and 0 < len(each.strip()) <= longest for each in value)
        ):
            raise self.problem(key, f"must be a list of at most {most} texts of 1 to {longest} characters")
        return tuple(value)

    def choice(self, key: str, allowed: Sequence[str], default: str = _MISSING) -> str:
        """One of a few words."""
        value = self._take(key, default)
        if value not in allowed:
            words = " or ".join(repr(each) for each in allowed if each) or "left out"
            raise self.problem(key, f"must be {words}")
        return str(value)

    def choices(self, key: str, allowed: Sequence[str]) -> tuple[str, ...]:
        """A list of words, each once."""
        value = self._take(key, [])
        if not isinstance(value, list) or any(each not in allowed for each in value) or len(set(value)) < len(value):
            raise self.problem(key, f"must be a list of {', '.join(allowed) or 'nothing'}, each at most once")
        return tuple(value)

    def whole(self, key: str, least: int, most: int, *, default: int = _MISSING) -> int:
        """A whole number within bounds, or the default."""
        value = self._take(key, default)
        if key not in self.values:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.problem(key, f"must be a whole number from {least} to {most}")
        return value

    def rate(self, key: str) -> Decimal:
        """Minor units for one unit: at most 12 decimal places, as at Stripe."""
        value = self._take(key)
        is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        rate = Decimal(value) if is_number else Decimal("NaN")
        if not rate.is_finite() or not 0 <= rate <= 10**8 or -int(rate.as_tuple().exponent) > 12:
            raise self.problem(key, "must be a number of minor units, 0 or more, with at most 12 decimal places")
        return rate

    def finish(self) -> None:
        """Refuse what nobody asked for: a misspelt key must not be passed over."""
        for key in self.values:
            if key not in self._asked:
                raise self.problem(key, f"is unknown; this table may hold {', '.join(sorted(self._asked))}")

    def _take(self, key: str, default: Any = _MISSING) -> Any:
        self._asked.add(key)
        value = self.values.get(key, default)
        if value is _MISSING:
            raise self.problem(key, "is missing")
        return value
