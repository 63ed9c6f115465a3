"""Times in JSON: ISO 8601, where Flask alone would write the dates of HTTP headers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Flask
from flask.json.provider import DefaultJSONProvider


class IsoTimes(DefaultJSONProvider):
    """Flask's JSON but for its times."""

    @staticmethod
    def default(value: Any) -> Any:
        """What stands in the JSON for a value that has no form there of its own."""
        return value.isoformat() if isinstance(value, datetime) else DefaultJSONProvider.default(value)


def register(app: Flask) -> None:
    """Write every answer so."""
    app.json = IsoTimes(app)
