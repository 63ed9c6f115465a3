"""How a moment is written in an address, and read from one."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from dashboard.billing.errors import InvalidInput

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def parse_moment(value: str, field: str) -> datetime:
    """A time with its offset, or a date as midnight UTC.

    Raises `InvalidInput`.
    """
    try:
        moment = datetime.combine(date.fromisoformat(value), time.min, UTC) if len(value) <= 10 else None
        moment = moment or datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput(field, "must be a date, or an ISO 8601 time with an offset such as 2026-06-01T09:30:00Z")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        moment = datetime.max.replace(tzinfo=UTC)
    if not EARLIEST <= moment <= LATEST:
        raise InvalidInput(field, f"must lie between {EARLIEST.year} and {LATEST.year}")
    return moment


def write_moment(moment: datetime) -> str:
    """A date for midnight UTC, else the time in UTC: `2026-06-01T09:30:00Z`."""
    if moment.timetz() == time(tzinfo=UTC):
        return moment.date().isoformat()
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
