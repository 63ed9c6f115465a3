"""How pages write numbers, money and dates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from flask import Flask, g

from dashboard.locales import find_locale, reader_of, tag_of
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
        (at(6, 1), at(7, 1), "Jun 1 – 30, 2026"),
        (at(10, 14, 9), at(11, 14, 9), "Oct 14 – Nov 14, 2026"),
        (at(12, 14), at(1, 14, 0, 2027), "Dec 14, 2026 – Jan 13, 2027"),
        (at(6, 1), at(6, 2), "Jun 1, 2026"),
    ],
)
def test_a_period_is_written_by_its_first_and_last_day(start: datetime, stop: datetime, text: str) -> None:
    assert formats.span(start, stop) == text


def test_a_moment_without_a_tenant_is_in_utc() -> None:
    assert formats.moment(datetime.fromisoformat("2026-10-14T11:02:00+02:00")) == "Oct 14, 2026, 9:02 AM UTC"


@pytest.fixture
def read_as(app: Flask) -> Callable[[str, str], None]:
    """Make the reader one with this locale and zone."""

    def become(locale: str, zone: str) -> None:
        g.reader = reader_of(locale, zone)

    return become


@pytest.mark.parametrize(
    ("locale", "zone", "texts"),
    [
        (
            "de-DE",
            "Europe/Berlin",
            ["−1.234,50 $", "1.234.567", "+8,0 %", "15. Okt. 2026", "15. Okt. 2026, 00:30 CEST"],
        ),
        ("hi-IN", "Asia/Kolkata", ["−$1,234.50", "12,34,567", "+8.0%", "15 अक्टू॰ 2026", "15 अक्टू॰ 2026, 4:00 am IST"]),
        (
            "lt-LT",
            "America/Sao_Paulo",
            ["−1 234,50 USD", "1 234 567", "+8,0 %", "2026-10-14", "2026-10-14 19:30 UTC−03"],
        ),
    ],
)
def test_a_tenants_locale_and_zone_are_followed(
    read_as: Callable[[str, str], None], locale: str, zone: str, texts: list[str]
) -> None:
    read_as(locale, zone)
    late = datetime(2026, 10, 14, 22, 30, tzinfo=UTC)
    written = [
        formats.money(-123450, "usd"),
        formats.number(1_234_567),
        formats.change(108, 100),
        formats.day(late),
        formats.moment(late),
    ]
    assert [text.replace("\u00a0", " ") for text in written] == texts


def test_a_billing_period_and_a_charts_day_are_utc_days_whatever_the_zone(
    read_as: Callable[[str, str], None],
) -> None:
    read_as("en-US", "America/Los_Angeles")
    assert formats.span(at(6, 1), at(6, 2)) == "Jun 1, 2026"
    assert formats.week_day(date(2026, 6, 1)) == "Mon, Jun 1"
    assert formats.day(at(6, 1)) == "May 31, 2026"


def test_what_babel_does_not_know_is_no_locale_and_an_old_name_reads_as_the_default() -> None:
    assert [
        find_locale(tag) is not None for tag in ("de-CH", "zh-Hant-HK", "en", "xx-XX", "de_CH", "root", "../en")
    ] == [
        *(True, True, True),
        *(False, False, False, False),
    ]
    fallen_back = reader_of("xx-XX", "Nowhere/Town")
    assert (tag_of(fallen_back.locale), fallen_back.zone.key) == ("en-US", "UTC")
