"""Parameters of pages that several of them take."""

from __future__ import annotations

from flask import abort, request

from dashboard.billing.fields import MAX_ID


def read_id(value: str) -> int | None:
    """The id that a text is, None where it is none."""
    is_number = value.isascii() and value.isdigit() and len(value) <= len(str(MAX_ID))
    return int(value) if is_number and 0 < int(value) <= MAX_ID else None


def read_before() -> int | None:
    """The id of `?before=`: where a list goes on. Stops with 400 for anything else than an id."""
    value = request.args.get("before", "")
    before = read_id(value)
    if value and before is None:
        abort(400, "before: must be a whole number above 0.")
    return before
