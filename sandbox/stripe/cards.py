"""Stripe's test cards: which are declined, when, and which ask the customer to authenticate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sandbox.errors import StripeFault
from sandbox.store import Thing, new_id
from sandbox.world import World

GENERIC = "Your card was declined."


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a card was not charged, in Stripe's codes and words."""

    code: str
    decline_code: str | None
    message: str
    status: int = 402

    def fault(self, *, leaves_traces: bool = True) -> StripeFault:
        """The error answer."""
        return StripeFault(
            self.message,
            status=self.status,
            kind="card_error" if self.status == 402 else "invalid_request_error",
            code=self.code,
            decline_code=self.decline_code,
            leaves_traces=leaves_traces,
        )


AUTHENTICATE = Decline(
    "invoice_payment_intent_requires_action",
    None,
    "This payment requires additional user action before it can be completed successfully.",
)
NO_CARD = Decline(
    "resource_missing",
    None,
    "This customer has no attached payment source or default payment method. Add a default payment method.",
    status=400,
)
DECLINES = {
    "4000000000000002": Decline("card_declined", "generic_decline", GENERIC),
    "4000000000009995": Decline("card_declined", "insufficient_funds", "Your card has insufficient funds."),
    "4000000000009987": Decline("card_declined", "lost_card", GENERIC),
    "4000000000009979": Decline("card_declined", "stolen_card", GENERIC),
    "4000000000000069": Decline("expired_card", "expired_card", "Your card has expired."),
    "4000000000000127": Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect."),
    "4000000000000119": Decline(
        "processing_error",
        "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
    ),
    "4000000000000341": Decline("card_declined", "generic_decline", GENERIC),
}
# Taken when it is saved, declined when it is charged.
DECLINED_LATER = "4000000000000341"
# Asks for every payment; and only while it was not set up with the customer there.
ALWAYS_ASKS = {"4000002760003184", "4000000000003220"}
ASKS_UNTIL_SET_UP = "4000002500003155"
DISPUTED = "4000000000000259"
TOKENS = {
    "card_visa": "4242424242424242",
    "card_mastercard": "5555555555554444",
    "card_chargeDeclined": "4000000000000002",
    "card_chargeDeclinedInsufficientFunds": "4000000000009995",
    "card_visa_chargeDeclined": "4000000000000002",
    "card_visa_chargeDeclinedInsufficientFunds": "4000000000009995",
    "card_chargeDeclinedExpiredCard": "4000000000000069",
    "card_chargeCustomerFail": DECLINED_LATER,
    "card_authenticationRequired": "4000002760003184",
    "card_authenticationRequiredOnSetup": ASKS_UNTIL_SET_UP,
    "card_threeDSecure2Required": "4000000000003220",
    "card_createDispute": DISPUTED,
}


def number_of(world: World, method: Thing) -> str:
    """The whole number behind a payment method; answers never hold it."""
    return str(world.need("card", method["id"])["number"])


def refusal_to_save(number: str) -> Decline | None:
    """Whether a card is declined already when it is saved."""
    return None if number == DECLINED_LATER else DECLINES.get(number)


def asks_for_customer(world: World, number: str, method: Thing | None = None) -> bool:
    """Whether the customer has to authenticate a payment."""
    if number == ASKS_UNTIL_SET_UP:
        return method is None or not world.need("card", method["id"])["set_up"]
    return number in ALWAYS_ASKS


def try_charge(world: World, method: Thing | None, *, authenticated: bool) -> Literal["paid", "action"] | Decline:
    """What charging a card would bring."""
    if method is None:
        return NO_CARD
    number = number_of(world, method)
    if number in DECLINES:
        return DECLINES[number]
    return "action" if not authenticated and asks_for_customer(world, number, method) else "paid"


def make_method(
    world: World, number: str, exp_month: int, exp_year: int, *, set_up: bool = False, **billing: Any
) -> Thing:
    """A payment method of a card, attached to nobody yet. `billing` are its billing details."""
    brand = "visa" if number.startswith("4") else "mastercard"
    method_id = new_id("pm")
    world.store.put("card", {"id": method_id, "number": number, "set_up": set_up})
    blank = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return world.create(
        {
            "id": method_id,
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": {
                "address": {**blank, **(billing.get("address") or {})},
                "email": billing.get("email"),
                "name": billing.get("name"),
                "phone": billing.get("phone"),
                "tax_id": None,
            },
            "card": {
                "brand": brand,
                "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
                "country": "US",
                "display_brand": brand,
                "exp_month": exp_month,
                "exp_year": exp_year,
                "fingerprint": new_id("fp", 12)[3:],
                "funding": "credit",
                "generated_from": None,
                "last4": number[-4:],
                "networks": {"available": [brand], "preferred": None},
                "regulated_status": "unregulated",
                "three_d_secure_usage": {"supported": True},
                "wallet": None,
            },
            "created": world.clock.seconds(),
            "customer": None,
            "livemode": False,
            "metadata": {},
            "type": "card",
        }
    )
