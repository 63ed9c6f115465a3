"""How a reader wants numbers and times written: a locale that Babel knows and a time zone of the IANA database."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale
from babel.core import UnknownLocaleError
from babel.localedata import exists

DEFAULT_LOCALE = "en-US"
DEFAULT_ZONE = "UTC"
# Offered by name on the settings page; any other that Babel knows is taken as well.
COMMON_LOCALES = (
    *("cs-CZ", "da-DK", "de-AT", "de-CH", "de-DE", "el-GR", "en-AU", "en-CA", "en-GB", "en-IE", "en-IN", "en-NZ"),
    *("en-US", "en-ZA", "es-AR", "es-ES", "es-MX", "et-EE", "fi-FI", "fr-BE", "fr-CA", "fr-CH", "fr-FR", "he-IL"),
    *("hi-IN", "hu-HU", "id-ID", "it-IT", "ja-JP", "ko-KR", "lt-LT", "lv-LV", "nb-NO", "nl-BE", "nl-NL", "pl-PL"),
    *("pt-BR", "pt-PT", "ro-RO", "sk-SK", "sl-SI", "sv-SE", "th-TH", "tr-TR", "uk-UA", "vi-VN", "zh-CN", "zh-TW"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """Whom a page or a mail is written for. There is one of each kind, so that looking one up costs nothing."""

    locale: Locale
    zone: ZoneInfo


@lru_cache(maxsize=1_000)
def reader_of(locale: str, zone: str) -> Reader:
    """The reader with these settings of a tenant. What a newer data base knew and this one does not is the default."""
    return Reader(
        find_locale(locale) or Locale.parse(DEFAULT_LOCALE, sep="-"),
        ZoneInfo(zone if zone in list_zones() else DEFAULT_ZONE),
    )


def find_locale(tag: str) -> Locale | None:
    """The locale of a BCP 47 tag such as de-CH or zh-Hant-HK, or None where Babel has none of this very name."""
    if not (tag.isascii() and tag.replace("-", "").isalnum() and len(tag) <= 35):
        return None
    try:
        found = Locale.parse(tag, sep="-", resolve_likely_subtags=False)
    except (ValueError, UnknownLocaleError):
        return None
    return found if found.language != "root" and exists(str(found)) else None


def tag_of(locale: Locale) -> str:
    """Its BCP 47 tag in the usual capitals."""
    return str(locale).replace("_", "-")


@lru_cache(maxsize=1)
def list_zones() -> tuple[str, ...]:
    """The time zones there are, by name, UTC first: those of places, without the old names and the bare offsets."""
    places = sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/")))
    return (DEFAULT_ZONE, *places)


@lru_cache(maxsize=1)
def list_locales() -> tuple[tuple[str, str], ...]:
    """The common locales with their English names, by name."""
    named = ((tag, Locale.parse(tag, sep="-").get_display_name("en") or tag) for tag in COMMON_LOCALES)
    return tuple(sorted(named, key=lambda each: each[1]))
