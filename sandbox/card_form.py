"""The card form of the hosted pages: what it begins with, and what was entered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.world import World


def blank_card(world: World, customer_id: str | None, email: str | None = None) -> dict[str, str]:
    """A card that works, for those who only look."""
    customer = world.store.get("customer", customer_id or "") or {}
    year = (world.clock.seconds() // 31_556_952 + 1970 + 3) % 100
    return {
        "email": customer.get("email") or email or "",
        "number": "4242 4242 4242 4242",
        "expiry": f"12/{year:02d}",
        "cvc": "123",
        "country": (customer.get("address") or {}).get("country") or "",
    }


def read_card(form: Mapping[str, str], *, with_country: bool = False) -> tuple[dict[str, Any], dict[str, str]]:
    """What was entered, and what is wrong with it by field."""
    problems: dict[str, str] = {}
    number = form.get("number", "").replace(" ", "")
    if not (number.isascii() and number.isdigit()) or not 14 <= len(number) <= 19:
        problems["number"] = "Enter a card number of 14 to 19 digits."
    month, _, year = (part.strip() for part in form.get("expiry", "").partition("/"))
    if not (month.isascii() and month.isdigit() and year.isascii() and year.isdigit() and 1 <= int(month) <= 12):
        problems["expiry"] = "Enter month and year, such as 12/29."
    if not form.get("cvc", "").isdigit():
        problems["cvc"] = "Enter the 3 or 4 digits."
    if "@" not in form.get("email", ""):
        problems["email"] = "Enter an email address."
    country = form.get("country", "").strip().upper()
    if (country or with_country) and not (len(country) == 2 and country.isascii() and country.isalpha()):
        problems["country"] = "Enter the two letters of the country, such as DE."
    if problems:
        return {}, problems
    return {
        "number": number,
        "exp_month": int(month),
        "exp_year": 2000 + int(year) % 100,
        "email": form["email"],
        "name": form.get("name", "").strip(),
        "address": {"country": country} if country else None,
        "promotion_code": form.get("promotion_code", "").strip(),
        "tax_id": form.get("tax_id", "").strip(),
    }, {}
