"""How pages write numbers, money and dates."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from dashboard.web import formats


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(123456, "usd", "$1,234.56"), (-5, "usd", "−$0.05"), (1500, "jpy", "¥1,500"), (0, "eur", "€0.00")],
)
def test_money_has_its_sign_and_its_decimals(minor: int, currency: str, text: str) -> None:
    assert formats.money(minor, currency) == text


def test_an_amount_leaves_the_sign_to_its_heading() -> None:
    assert formats.amount(-123456, "usd") == "−1,234.56"
    assert formats.amount(1500, "jpy") == "1,500"


@pytest.mark.parametrize(
    ("minor", "text"), [("2.4", "$0.024"), ("0.035", "$0.00035"), ("6", "$0.06"), ("150", "$1.50"), ("0", "$0.00")]
)
def test_a_rate_has_as_many_decimals_as_it_needs(minor: str, text: str) -> None:
    assert formats.rate(Decimal(minor), "usd") == text


@pytest.mark.parametrize(
    ("now", "before", "text"), [(108, 100, "+8.0%"), (98, 100, "−2.0%"), (5, 0, "new"), (0, 0, "0%"), (7, 7, "0.0%")]
)
def test_a_change_is_signed(now: int, before: int, text: str) -> None:
    assert formats.change(now, before) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(42, "42 s"), (600, "10 min"), (630, "10 min 30 s"), (7_500, "2 h 05 min"), (36_000, "10 h")]
)
def test_a_duration_is_in_its_two_largest_units(seconds: int, text: str) -> None:
    assert formats.duration(seconds) == text


def at(month: int, day: int, hour: int = 0, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "stop", "text"),
    [
        (at(6, 1), at(7, 1), "1–30 Jun 2026"),
        (at(10, 14, 9), at(11, 14, 9), "14 Oct – 14 Nov 2026"),
        (at(12, 14), at(1, 14, 0, 2027), "14 Dec 2026 – 13 Jan 2027"),
        (at(6, 1), at(6, 2), "1 Jun 2026"),
    ],
)
def test_a_period_is_written_by_its_first_and_last_day(start: datetime, stop: datetime, text: str) -> None:
    assert formats.span(start, stop) == text


def test_a_moment_is_in_utc() -> None:
    assert formats.moment(datetime.fromisoformat("2026-10-14T11:02:00+02:00")) == "14 Oct 2026, 09:02 UTC"
