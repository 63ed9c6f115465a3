"""A simple tax rule: the standard rate of the customer's country; a business of the EU with a tax id owes it itself."""

from __future__ import annotations

from decimal import Decimal

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.customers import present
from sandbox.stripe.pricing import round_half_up
from sandbox.stripe.routes import list_things, route
from sandbox.world import World

# Per cent of the standard rate. Every other country is one where no tax is collected.
RATES = {
    "AT": "20",
    "BE": "21",
    "CH": "8.1",
    "DE": "19",
    "ES": "21",
    "FR": "20",
    "GB": "20",
    "IE": "23",
    "IT": "22",
    "NL": "21",
    "PL": "23",
    "SE": "25",
}
TAX_ID_TYPES = {"DE": "eu_vat", "GB": "gb_vat", "US": "us_ein", "CH": "ch_vat"}


def country_of(customer: Thing) -> str | None:
    """Where the customer is, as far as is known."""
    return (customer.get("address") or {}).get("country")


def taxes_on(world: World, customer: Thing, amount: int, behavior: str) -> list[Thing]:
    """The taxes on a line's amount after discounts. `behavior` is the price's; unspecified adds the tax on top."""
    country = country_of(customer)
    if country is None:
        return []
    is_inclusive = behavior == "inclusive"
    percent, reason = _rate_for(world, customer, country)
    share = Decimal(percent) / 100
    base = round_half_up(amount / (1 + share)) if is_inclusive else amount
    tax = amount - base if is_inclusive else round_half_up(amount * share)
    rate = _tax_rate(world, country, percent, inclusive=is_inclusive) if reason == "standard_rated" else None
    return [
        {
            "amount": tax,
            "tax_behavior": "inclusive" if is_inclusive else "exclusive",
            "tax_rate_details": {"tax_rate": rate["id"]} if rate else None,
            "taxability_reason": reason,
            "taxable_amount": base if reason == "standard_rated" else 0,
            "type": "tax_rate_details",
        }
    ]


def _rate_for(world: World, customer: Thing, country: str) -> tuple[str, str]:
    if customer["tax_exempt"] == "exempt":
        return "0", "customer_exempt"
    has_id = any(each["type"] == "eu_vat" for each in world.store.by("tax_id", "customer", customer["id"]))
    if customer["tax_exempt"] == "reverse" or has_id:
        return "0", "reverse_charge"
    if country not in RATES:
        return "0", "not_collecting"
    return RATES[country], "standard_rated"


def _tax_rate(world: World, country: str, percent: str, *, inclusive: bool) -> Thing:
    for known in world.store.all("tax_rate"):
        if known["country"] == country and known["inclusive"] is inclusive:
            return known
    return world.create(
        {
            "id": new_id("txr"),
            "object": "tax_rate",
            "active": False,
            "country": country,
            "created": world.clock.seconds(),
            "display_name": "VAT",
            "effective_percentage": float(percent),
            "inclusive": inclusive,
            "jurisdiction": country,
            "jurisdiction_level": "country",
            "livemode": False,
            "metadata": {},
            "percentage": float(percent),
            "rate_type": "percentage",
            "tax_type": "vat",
        }
    )


@route("GET", "/v1/tax_rates/{rate}")
def retrieve_rate(world: World, params: Params, rate: str) -> Thing:
    """A tax rate."""
    return world.need("tax_rate", rate)


@route("POST", "/v1/customers/{customer}/tax_ids")
def create(world: World, params: Params, customer: str) -> Thing:
    """A customer's tax id."""
    thing = present(world, customer)
    return add_tax_id(world, thing, params.need("type"), params.need("value"))


def add_tax_id(world: World, customer: Thing, kind: str, value: str) -> Thing:
    """Keep a tax id; the words `invalid` in it make Stripe refuse it, as its test values do."""
    if "invalid" in value.lower():
        raise StripeFault("Invalid value for the tax id.", param="value", code="tax_id_invalid")
    return world.create(
        {
            "id": new_id("txi"),
            "object": "tax_id",
            "country": value[:2].upper() if value[:2].isalpha() else None,
            "created": world.clock.seconds(),
            "customer": customer["id"],
            "livemode": False,
            "owner": {"customer": customer["id"], "type": "customer"},
            "type": kind,
            "value": value,
            "verification": {"status": "pending", "verified_address": None, "verified_name": None},
        },
        "customer.tax_id.created",
    )


@route("GET", "/v1/customers/{customer}/tax_ids")
def index(world: World, params: Params, customer: str) -> Thing:
    """A customer's tax ids."""
    return list_things(world, params, "tax_id", f"/v1/customers/{customer}/tax_ids", customer=customer)


@route("DELETE", "/v1/customers/{customer}/tax_ids/{tax_id}")
def delete(world: World, params: Params, customer: str, tax_id: str) -> Thing:
    """Forget a tax id."""
    thing = world.need("tax_id", tax_id)
    world.store.remove("tax_id", tax_id)
    world.emit("customer.tax_id.deleted", thing)
    return {"id": tax_id, "object": "tax_id", "deleted": True}
