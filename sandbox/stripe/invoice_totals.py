"""What an invoice comes to: discounts first, then credits, then tax; each rounded line by line."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from sandbox.store import Thing
from sandbox.stripe import credit_grants
from sandbox.stripe.discounts import coupon_of
from sandbox.stripe.pricing import round_half_up
from sandbox.stripe.taxes import country_of, taxes_on
from sandbox.world import World


def totals(world: World, invoice: Thing, lines: list[Thing], *, with_credits: bool = False) -> Thing:
    """The fields of an invoice that follow from its lines. Credits are spent when it is finalized, not before."""
    for line in lines:
        line |= {"invoice": invoice["id"], "discount_amounts": [], "pretax_credit_amounts": [], "taxes": []}
    for discount_id in invoice["discounts"]:
        _take_off(world, discount_id, lines)
    if with_credits:
        credit_grants.spend(world, invoice, lines)
    tax = _tax(world, invoice, lines)
    subtotal = sum(line["amount"] for line in lines)
    taken_off = _sums(lines, "discount_amounts", "discount")
    credited = _credit_sums(lines)
    taxes = _tax_sums(lines)
    added = sum(each["amount"] for each in taxes if each["tax_behavior"] == "exclusive")
    contained = sum(each["amount"] for each in taxes) - added
    total = subtotal - sum(each["amount"] for each in taken_off) - sum(_credits_of(line) for line in lines) + added
    due = max(total, 0)
    return {
        "lines": {
            "object": "list",
            "data": lines,
            "has_more": False,
            "total_count": len(lines),
            "url": f"/v1/invoices/{invoice['id']}/lines",
        },
        "amount_due": due,
        "amount_remaining": due,
        "automatic_tax": tax,
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - contained,
        "total": total,
        "total_discount_amounts": taken_off,
        "total_excluding_tax": total - added - contained,
        "total_pretax_credit_amounts": credited,
        "total_taxes": taxes,
    }


def lacks_location(world: World, invoice: Thing) -> bool:
    """Whether automatic tax cannot be counted, as nobody knows where the customer is."""
    return bool(invoice["automatic_tax"]["enabled"]) and country_of(world.need("customer", invoice["customer"])) is None


def left_of(line: Thing) -> int:
    """A line's amount after its discounts and credits."""
    return int(line["amount"]) - sum(int(each["amount"]) for each in line["discount_amounts"]) - _credits_of(line)


def _credits_of(line: Thing) -> int:
    rows = line["pretax_credit_amounts"]
    return sum(int(each["amount"]) for each in rows if each["type"] == "credit_balance_transaction")


def _take_off(world: World, discount_id: str, lines: list[Thing]) -> None:
    """A percentage of each line, or an amount spread over the lines in proportion, without losing a unit."""
    coupon = coupon_of(world, discount_id)
    wanted = [line for line in lines if line["discountable"] and left_of(line) > 0]
    whole = sum(left_of(line) for line in wanted)
    seen = given = 0
    for line in wanted:
        if coupon["percent_off"] is not None:
            amount = round_half_up(left_of(line) * Decimal(str(coupon["percent_off"])) / 100)
        else:
            seen += left_of(line)
            upto = round_half_up(Decimal(min(coupon["amount_off"], whole)) * seen / whole)
            amount, given = upto - given, upto
        line["discount_amounts"] = [*line["discount_amounts"], {"amount": amount, "discount": discount_id}]
        entry = {"amount": amount, "discount": discount_id, "type": "discount"}
        line["pretax_credit_amounts"] = [*line["pretax_credit_amounts"], entry]


def _tax(world: World, invoice: Thing, lines: list[Thing]) -> Thing:
    """Put the taxes on the lines; how automatic tax stands."""
    state: Thing = {**invoice["automatic_tax"], "status": None}
    if not state["enabled"]:
        return state
    customer = world.need("customer", invoice["customer"])
    if lacks_location(world, invoice):
        return {**state, "status": "requires_location_inputs"}
    for line in lines:
        line["taxes"] = taxes_on(world, customer, left_of(line), _behavior(world, line))
    return {**state, "status": "complete", "provider": "stripe", "liability": {"type": "self"}}


def _behavior(world: World, line: Thing) -> str:
    details = (line["pricing"] or {}).get("price_details")
    return str(world.need("price", details["price"])["tax_behavior"]) if details else "unspecified"


def _sums(lines: list[Thing], field: str, key: str) -> list[Thing]:
    found: dict[str, int] = defaultdict(int)
    for line in lines:
        for each in line[field]:
            found[each[key]] += each["amount"]
    return [{"amount": amount, key: name} for name, amount in found.items()]


def _credit_sums(lines: list[Thing]) -> list[Thing]:
    found: dict[tuple[str, str], int] = defaultdict(int)
    for line in lines:
        for each in line["pretax_credit_amounts"]:
            found[each["type"], each[each["type"]]] += each["amount"]
    return [{"amount": amount, "type": kind, kind: name} for (kind, name), amount in found.items()]


def _tax_sums(lines: list[Thing]) -> list[Thing]:
    found: dict[tuple[Any, ...], Thing] = {}
    for tax in (tax for line in lines for tax in line["taxes"]):
        rate = (tax["tax_rate_details"] or {}).get("tax_rate")
        key = (rate, tax["tax_behavior"], tax["taxability_reason"])
        if key in found:
            found[key]["amount"] += tax["amount"]
            found[key]["taxable_amount"] += tax["taxable_amount"]
        else:
            found[key] = dict(tax)
    return list(found.values())
