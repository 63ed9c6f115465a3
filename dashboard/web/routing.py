"""Parts of addresses: ids that a table can hold, and usage types. Anything else is no address of ours."""

from __future__ import annotations

from flask import Flask
from werkzeug.routing import BaseConverter, IntegerConverter

from dashboard.billing.fields import MAX_ID


class Id(IntegerConverter):
    """An id, in every `<int:…>`. One that no table can hold becomes 0, which no row has.

    PostgreSQL would refuse it with an error, and Werkzeug would answer 405 where another method has the address too.
    """

    def to_python(self, value: str) -> int:
        """The id, or 0."""
        number = int(value)
        return number if number <= MAX_ID else 0


class UsageTypeName(BaseConverter):
    """A usage type: capitals, so that it is told from `events` and `sync` beside it."""

    regex = "[A-Z_]+"


class ReservationKey(BaseConverter):
    """A key in an address, whatever is in it: a path's converter takes none that begins with a slash."""

    regex = ".+"
    part_isolating = False


def register(app: Flask) -> None:
    """Make them known. Call before the blueprints are registered."""
    app.url_map.converters.update(int=Id, usage_type=UsageTypeName, reservation_key=ReservationKey)
