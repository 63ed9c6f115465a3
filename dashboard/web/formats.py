"""How pages write numbers, money, rates, dates and times: as the tenant's locale does, in the tenant's time zone.

Without a tenant (staff) that is en-US and UTC. Billing periods and the days of charts are UTC days whatever the zone.
A true minus. Babel takes up to 0.1 ms a value, so what was written is kept.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from babel.dates import format_interval, format_skeleton, format_time
from babel.numbers import format_currency, format_decimal, get_currency_precision
from flask import Flask, g

from dashboard.billing.moments import write_moment
from dashboard.locales import DEFAULT_LOCALE, DEFAULT_ZONE, Reader, reader_of

MINUS = "−"
# The narrow and thin spaces of some locales are in few fonts.
_IN_NUMBERS = {0x202F: "\u00a0", ord("-"): MINUS}
_IN_DATES = {0x202F: " ", 0x2009: " "}
KEPT = 20_000
_WHOLE = re.compile(r"[#,]*0")


def current_reader() -> Reader:
    """Whom this page is for: the tenant it is about, or whoever `g.reader` names."""
    try:
        # Hundreds of values a page ask: each look through the proxy would cost as much as the rest of this.
        here = g._get_current_object()
    except RuntimeError:
        return reader_of(DEFAULT_LOCALE, DEFAULT_ZONE)
    found: Reader | None = here.get("reader")
    if found is not None:
        return found
    tenant = here.get("tenant")
    return reader_of(tenant.locale, tenant.time_zone) if tenant else reader_of(DEFAULT_LOCALE, DEFAULT_ZONE)


def money(minor: int, currency: str) -> str:
    """Minor units with the currency's sign: 123456 usd -> $1,234.56."""
    return _money(current_reader(), minor, currency.upper())


def amount(minor: int, currency: str) -> str:
    """Minor units without the sign, for columns whose heading names the currency."""
    return _amount(current_reader(), minor, get_currency_precision(currency.upper()))


def number(value: int | Decimal) -> str:
    """Thousands separated, a true minus."""
    return _number(current_reader(), value)


def rate(minor: Decimal, currency: str) -> str:
    """A price for one unit with as many decimals as it has: Decimal("2.4") usd -> $0.024."""
    return _rate(current_reader(), Decimal(minor), currency.upper())


def change(now: int, before: int) -> str:
    """The difference in percent, signed: +8.4%."""
    reader = current_reader()
    if before == 0:
        return "new" if now else _percent(reader, 0, 0)
    percent = (Decimal(now - before) * 100 / before).quantize(Decimal("0.1"))
    sign = "+" if percent > 0 else MINUS if percent < 0 else ""
    return f"{sign}{_percent(reader, abs(percent), 1)}"


def duration(seconds: int) -> str:
    """Whole seconds in their two largest units: 3 h 05 min, 10 min, 42 s."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{number(hours)} h {minutes:02d} min" if minutes else f"{number(hours)} h"
    if minutes:
        return f"{minutes} min {left:02d} s" if left else f"{minutes} min"
    return f"{left} s"


def day(moment: date | datetime) -> str:
    """Oct 14, 2026: of a time, the day it is in the reader's zone; a date as it is."""
    return _date(current_reader(), "yMMMd", _local_day(moment))


def short_day(moment: date | datetime) -> str:
    """Oct 14."""
    return _date(current_reader(), "MMMd", _local_day(moment))


def week_day(moment: date | datetime) -> str:
    """Wed, Oct 14."""
    return _date(current_reader(), "MMMEd", _local_day(moment))


def utc_hour(value: datetime) -> str:
    """2:00 PM: the clock of UTC, as charts have it, whatever the reader's zone."""
    return _clock(current_reader(), value)


def moment(value: datetime) -> str:
    """Oct 14, 2026, 9:02 AM UTC: the reader's zone, named."""
    return _moment(current_reader(), value)


def span(start: datetime, stop: datetime) -> str:
    """A half-open period by its first and last UTC day: Oct 14 – Nov 13, 2026.

    A period that ends within a day includes that day's hours, and the day begins the next period too.
    """
    last = stop if stop.time() != datetime.min.time() else stop - timedelta(days=1)
    return _span(current_reader(), start.date(), max(last, start).date())


def zone_name(at: datetime) -> str:
    """The reader's time zone as it is called at that moment: UTC, CEST, UTC+03."""
    return _zone_name(at.astimezone(current_reader().zone))


def _local_day(moment: date | datetime) -> date:
    return moment.astimezone(current_reader().zone).date() if isinstance(moment, datetime) else moment


@lru_cache(maxsize=KEPT)
def _money(reader: Reader, minor: int, currency: str) -> str:
    value = Decimal(minor) / (10 ** get_currency_precision(currency))
    return format_currency(value, currency, locale=reader.locale).translate(_IN_NUMBERS)


@lru_cache(maxsize=KEPT)
def _amount(reader: Reader, minor: int, digits: int) -> str:
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return format_decimal(Decimal(minor) / (10**digits), format=pattern, locale=reader.locale).translate(_IN_NUMBERS)


@lru_cache(maxsize=KEPT)
def _number(reader: Reader, value: int | Decimal) -> str:
    return format_decimal(value, locale=reader.locale).translate(_IN_NUMBERS)


@lru_cache(maxsize=KEPT)
def _rate(reader: Reader, minor: Decimal, currency: str) -> str:
    digits = get_currency_precision(currency)
    value = (minor / (10**digits)).normalize()
    places = max(digits, -int(value.as_tuple().exponent))
    pattern = reader.locale.currency_formats["standard"].pattern.replace(
        "0.00", "0" + ("." + "0" * places if places else "")
    )
    return format_currency(value, currency, format=pattern, locale=reader.locale, currency_digits=False).translate(
        _IN_NUMBERS
    )


@lru_cache(maxsize=KEPT)
def _percent(reader: Reader, percent: int | Decimal, places: int) -> str:
    digits = format_decimal(percent, format="#,##0" + ("." + "0" * places if places else ""), locale=reader.locale)
    return _WHOLE.sub(digits, str(reader.locale.percent_formats[None].pattern)).translate(_IN_NUMBERS)


@lru_cache(maxsize=KEPT)
def _date(reader: Reader, skeleton: str, value: date) -> str:
    at = datetime(value.year, value.month, value.day, tzinfo=UTC)
    return format_skeleton(skeleton, at, locale=reader.locale).translate(_IN_DATES)


@lru_cache(maxsize=KEPT)
def _clock(reader: Reader, value: datetime) -> str:
    return format_time(value, "short", tzinfo=UTC, locale=reader.locale).translate(_IN_DATES)


@lru_cache(maxsize=KEPT)
def _moment(reader: Reader, value: datetime) -> str:
    local = value.astimezone(reader.zone)
    clock = format_time(local, "short", tzinfo=reader.zone, locale=reader.locale)
    pattern = str(reader.locale.datetime_formats["medium"]).replace("'", "")
    both = pattern.replace("{1}", _date(reader, "yMMMd", local.date())).replace("{0}", clock)
    return f"{both} {_zone_name(local)}".translate(_IN_DATES)


@lru_cache(maxsize=KEPT)
def _span(reader: Reader, first: date, last: date) -> str:
    if first == last:
        return _date(reader, "yMMMd", first)
    return format_interval(first, last, "yMMMd", locale=reader.locale).translate(_IN_DATES)


def _zone_name(value: datetime) -> str:
    name = value.tzname() or ""
    return name if name.isalpha() else f"UTC{name.replace('-', MINUS)}"


def register(app: Flask) -> None:
    """Offer them to templates by their names."""
    for each in (
        money,
        amount,
        number,
        rate,
        change,
        duration,
        day,
        short_day,
        week_day,
        utc_hour,
        moment,
        span,
        write_moment,
        zone_name,
    ):
        app.jinja_env.filters[each.__name__] = each
