"""How pages write numbers, money, rates, dates and times. UTC throughout, a true minus, no breaks inside."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from babel.numbers import format_currency, format_decimal, get_currency_precision
from flask import Flask

LOCALE = "en_US"
MINUS = "−"


def money(minor: int, currency: str) -> str:
    """Minor units with the currency's sign: 123456 usd -> $1,234.56."""
    digits = get_currency_precision(currency.upper())
    value = Decimal(minor) / (10**digits)
    return format_currency(value, currency.upper(), locale=LOCALE).replace("-", MINUS)


def amount(minor: int, currency: str) -> str:
    """Minor units without the sign, for columns whose heading names the currency."""
    digits = get_currency_precision(currency.upper())
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return format_decimal(Decimal(minor) / (10**digits), format=pattern, locale=LOCALE).replace("-", MINUS)


def number(value: int | Decimal) -> str:
    """Thousands separated, a true minus."""
    return format_decimal(value, locale=LOCALE).replace("-", MINUS)


def rate(minor: Decimal, currency: str) -> str:
    """A price for one unit with as many decimals as it has: Decimal("2.4") usd -> $0.024."""
    digits = get_currency_precision(currency.upper())
    value = (Decimal(minor) / (10**digits)).normalize()
    places = max(digits, -int(value.as_tuple().exponent))
    pattern = "¤#,##0" + ("." + "0" * places if places else "")
    return format_currency(value, currency.upper(), format=pattern, locale=LOCALE, currency_digits=False)


def change(now: int, before: int) -> str:
    """The difference in percent, signed: +8.4%."""
    if before == 0:
        return "new" if now else "0%"
    percent = Decimal(now - before) * 100 / before
    sign = "+" if percent > 0 else MINUS if percent < 0 else ""
    return f"{sign}{abs(percent):,.1f}%"


def duration(seconds: int) -> str:
    """Whole seconds in their two largest units: 3 h 05 min, 10 min, 42 s."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours:,} h {minutes:02d} min" if minutes else f"{hours:,} h"
    if minutes:
        return f"{minutes} min {left:02d} s" if left else f"{minutes} min"
    return f"{left} s"


def day(moment: date | datetime) -> str:
    """14 Oct 2026."""
    return f"{moment.day} {moment:%b %Y}"


def short_day(moment: date) -> str:
    """14 Oct."""
    return f"{moment.day} {moment:%b}"


def week_day(moment: date) -> str:
    """Wed 14 Oct."""
    return f"{moment:%a} {moment.day} {moment:%b}"


def moment(value: datetime) -> str:
    """14 Oct 2026, 09:02 UTC."""
    value = value.astimezone(UTC)
    return f"{day(value)}, {value:%H:%M} UTC"


def span(start: datetime, stop: datetime) -> str:
    """A half-open period by its first and last day: 14 Oct – 13 Nov 2026.

    A period that ends within a day includes that day's hours, and the day begins the next period too.
    """
    last = stop if stop.time() != datetime.min.time() else stop - timedelta(days=1)
    last = max(last, start)
    if (start.year, start.month, start.day) == (last.year, last.month, last.day):
        return day(start)
    if start.year == last.year and start.month == last.month:
        return f"{start.day}–{last.day} {last:%b %Y}"
    first = short_day(start) if start.year == last.year else day(start)
    return f"{first} – {day(last)}"


def register(app: Flask) -> None:
    """Offer them to templates by their names."""
    for each in (money, amount, number, rate, change, duration, day, short_day, week_day, moment, span):
        app.jinja_env.filters[each.__name__] = each
