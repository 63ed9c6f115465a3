"""What happens when the hosted Checkout page is submitted: payment first, then the subscription, then completion."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.store import Thing
from sandbox.stripe import cards, customers, discounts, setup_intents, taxes
from sandbox.stripe.checkout import terms_of, totals_of, wishes
from sandbox.stripe.payment_methods import attach
from sandbox.stripe.subscription_making import begin
from sandbox.world import World


class CardDeclined(Exception):
    """The card was declined; the session stays open. Its text is for the customer."""


class MustAuthenticate(Exception):
    """The customer's bank wants to hear from the customer first."""


class WrongEntry(Exception):
    """A field of the page cannot be taken: its name, and what to do."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field, self.message = field, message


def complete(world: World, session: Thing, card: dict[str, Any], *, authenticated: bool = False) -> None:
    """Take the card and make what the session sells.

    Raises `CardDeclined`, `MustAuthenticate`, `WrongEntry`.
    """
    plan = world.need("checkout_plan", session["id"])
    chosen = _discounts(world, plan, card)
    _try_card(session, card["number"], world, authenticated=authenticated)
    customer = _customer(world, session, plan, card)
    if session["mode"] == "setup":
        _keep_card(world, session, customer, card)
    else:
        _sell(world, session, plan, customer, card, chosen)
    world.emit("checkout.session.completed", session)


def _try_card(session: Thing, number: str, world: World, *, authenticated: bool) -> None:
    pays_now = session["mode"] == "subscription" and bool(session["amount_total"])
    decline = cards.DECLINES.get(number) if pays_now else cards.refusal_to_save(number)
    if decline:
        raise CardDeclined(decline.message)
    if not authenticated and cards.asks_for_customer(world, number):
        raise MustAuthenticate


def _discounts(world: World, plan: Thing, card: dict[str, Any]) -> list[Thing]:
    """Those of the session, or the promotion code entered."""
    code = card.get("promotion_code")
    if not code:
        return list(plan["discounts"])
    found = discounts.usable_code(world, code)
    if found is None:
        raise WrongEntry("promotion_code", "This code is not valid. Leave the field empty or enter another one.")
    return [{"coupon": found["promotion"]["coupon"], "promotion_code": found["id"]}]


def _customer(world: World, session: Thing, plan: Thing, card: dict[str, Any]) -> Thing:
    """The customer of the session, or a new one; with the address and tax id entered, where they are to be kept."""
    address = customers.address_of(card.get("address"))
    if not session["customer"]:
        texts = {"email": card["email"], "name": card.get("name") or None}
        customer = customers.make(world, texts, address=address)
    else:
        customer = customers.present(world, session["customer"])
        changes: dict[str, Any] = {}
        if address and plan["keeps_address"]:
            changes["address"] = address
        if card.get("name") and plan["keeps_name"]:
            changes["name"] = card["name"]
        world.change(customer, "customer.updated", **changes)
    if card.get("tax_id"):
        country = taxes.country_of(customer) or "US"
        kind = taxes.TAX_ID_TYPES.get(country, "eu_vat")
        try:
            taxes.add_tax_id(world, customer, kind, card["tax_id"])
        except StripeFault as refusal:
            raise WrongEntry("tax_id", str(refusal)) from refusal
    return customer


def _keep_card(world: World, session: Thing, customer: Thing, card: dict[str, Any]) -> None:
    method = _save(world, customer, card)
    intent = world.need("setup_intent", session["setup_intent"])
    world.change(intent, None, customer=customer["id"])
    setup_intents.succeed(world, intent, method)
    changes = {"payment_status": "no_payment_required", "status": "complete", "url": None}
    world.change(session, None, customer=customer["id"], customer_details=_details(world, customer, card), **changes)


def _save(world: World, customer: Thing, card: dict[str, Any]) -> Thing:
    details = {name: card.get(name) for name in ("email", "name", "address")}
    method = cards.make_method(world, card["number"], card["exp_month"], card["exp_year"], set_up=True, **details)
    return attach(world, customer, method)


def _sell(
    world: World, session: Thing, plan: Thing, customer: Thing, card: dict[str, Any], chosen: list[Thing]
) -> None:
    # As at Stripe, the card becomes the subscription's; the customer's default stays what it was.
    method = _save(world, customer, card)
    terms = terms_of(world, plan, discounts=chosen, customer_is_there=True, default_payment_method=method["id"])
    subscription, invoice = begin(world, customer, wishes(plan), terms)
    totals = totals_of(invoice)
    tax = {**session["automatic_tax"], "status": "complete" if plan["automatic_tax"] else None}
    world.change(
        session,
        None,
        **totals,
        automatic_tax=tax,
        customer=customer["id"],
        customer_details=_details(world, customer, card),
        invoice=invoice["id"] if invoice else None,
        payment_status="paid" if totals["amount_total"] else "no_payment_required",
        status="complete",
        subscription=subscription["id"],
        url=None,
    )


def _details(world: World, customer: Thing, card: dict[str, Any]) -> Thing:
    own = world.store.by("tax_id", "customer", customer["id"])
    return {
        "address": customers.address_of(card.get("address")) or customer["address"],
        "business_name": None,
        "email": card["email"],
        "individual_name": None,
        "name": card.get("name") or customer["name"],
        "phone": None,
        "tax_exempt": customer["tax_exempt"],
        "tax_ids": [{"type": each["type"], "value": each["value"]} for each in own],
    }
