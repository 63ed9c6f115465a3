"""Coupons, promotion codes, and discounts on what they are given for."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.periods import next_period_end
from sandbox.stripe.routes import page_of, route
from sandbox.world import World


@route("POST", "/v1/coupons")
def create_coupon(world: World, params: Params) -> Thing:
    """So many per cent or so much off."""
    percent, amount = params.take("percent_off"), params.integer("amount_off")
    if (percent is None) == (amount is None):
        raise StripeFault("Give one of percent_off and amount_off.", param="percent_off")
    currency = params.take("currency")
    if amount is not None and not currency:
        raise StripeFault("Missing required param: currency.", param="currency", code="parameter_missing")
    duration = params.choice("duration", ("forever", "once", "repeating"), "once")
    months = params.integer("duration_in_months")
    if (duration == "repeating") != (months is not None):
        raise StripeFault("duration_in_months goes with duration=repeating only.", param="duration_in_months")
    return world.create(
        {
            "id": params.take("id") or new_id("co", 8)[3:],
            "object": "coupon",
            "amount_off": amount,
            "created": world.clock.seconds(),
            "currency": currency,
            "duration": duration,
            "duration_in_months": months,
            "livemode": False,
            "max_redemptions": params.integer("max_redemptions"),
            "metadata": params.metadata(),
            "name": params.take("name"),
            "percent_off": float(percent) if percent else None,
            "redeem_by": params.integer("redeem_by"),
            "times_redeemed": 0,
            "valid": True,
        },
        "coupon.created",
    )


@route("GET", "/v1/coupons/{coupon}")
def retrieve_coupon(world: World, params: Params, coupon: str) -> Thing:
    """A coupon."""
    return world.need("coupon", coupon)


@route("POST", "/v1/promotion_codes")
def create_code(world: World, params: Params) -> Thing:
    """A word that customers enter for a coupon."""
    promotion = params.need("promotion")
    coupon = world.need("coupon", promotion.get("coupon", ""))
    code = params.take("code") or new_id("code", 8)[5:].upper()
    if any(each["code"].lower() == code.lower() and each["active"] for each in world.store.all("promotion_code")):
        raise StripeFault(f"An active promotion code with `code: {code}` exists already.", param="code")
    return world.create(
        {
            "id": new_id("promo"),
            "object": "promotion_code",
            "active": params.flag("active", default=True),
            "code": code,
            "created": world.clock.seconds(),
            "customer": params.take("customer"),
            "expires_at": params.integer("expires_at"),
            "livemode": False,
            "max_redemptions": params.integer("max_redemptions"),
            "metadata": params.metadata(),
            "promotion": {"coupon": coupon["id"], "type": "coupon"},
            "restrictions": {
                "first_time_transaction": False,
                "minimum_amount": None,
                "minimum_amount_currency": None,
            },
            "times_redeemed": 0,
        },
        "promotion_code.created",
    )


@route("POST", "/v1/promotion_codes/{code}")
def update_code(world: World, params: Params, code: str) -> Thing:
    """Switch a code on or off."""
    thing = world.need("promotion_code", code)
    active = params.flag("active", default=thing["active"])
    return world.change(thing, "promotion_code.updated", active=active, metadata=params.metadata(thing["metadata"]))


@route("GET", "/v1/promotion_codes")
def index_codes(world: World, params: Params) -> Thing:
    """Promotion codes; how a `code` is written in capitals does not matter."""
    code, active, customer = params.take("code"), params.flag("active"), params.take("customer")
    found = [
        each
        for each in reversed(world.store.all("promotion_code"))
        if (code is None or each["code"].lower() == code.lower())
        and (active is None or each["active"] is active)
        and (customer is None or each["customer"] == customer)
    ]
    return page_of(found, params, "/v1/promotion_codes")


def usable_code(world: World, code: str) -> Thing | None:
    """The promotion code that a customer entered, if it may be used now."""
    now = world.clock.seconds()
    for each in world.store.all("promotion_code"):
        is_over = each["expires_at"] is not None and each["expires_at"] <= now
        is_used_up = each["max_redemptions"] is not None and each["times_redeemed"] >= each["max_redemptions"]
        if each["code"].lower() == code.strip().lower() and each["active"] and not is_over and not is_used_up:
            return each
    return None


def check(world: World, given: Any, param: str = "discounts") -> list[Thing]:
    """What a call's `discounts` name: the coupon of each, with the promotion code that led to it."""
    found = []
    for each in given or []:
        code = world.need("promotion_code", each["promotion_code"]) if each.get("promotion_code") else None
        coupon = world.need("coupon", code["promotion"]["coupon"] if code else each.get("coupon", ""))
        if not coupon["valid"] or (coupon["redeem_by"] or world.clock.seconds()) < world.clock.seconds():
            raise StripeFault(f"Coupon {coupon['id']} is used up or expired.", param=param, code="coupon_expired")
        if code and not code["active"]:
            raise StripeFault("This promotion code is not active.", param=param)
        found.append({"coupon": coupon["id"], "promotion_code": code["id"] if code else None})
    return found


def redeem(world: World, wanted: list[Thing], customer: str, **owner: str) -> list[str]:
    """Discounts of these coupons for a subscription or invoice; their ids."""
    ids = []
    for each in wanted:
        coupon, now = world.need("coupon", each["coupon"]), world.clock.seconds()
        until = None
        if coupon["duration"] == "repeating":
            until = next_period_end(now, now, "month", coupon["duration_in_months"])
        discount = world.create(
            {
                "id": new_id("di"),
                "object": "discount",
                "customer": customer,
                "end": until,
                "promotion_code": each["promotion_code"],
                "source": {"coupon": coupon["id"], "type": "coupon"},
                "start": now,
                **owner,
            },
            "customer.discount.created",
        )
        used = coupon["times_redeemed"] + 1
        is_valid = coupon["max_redemptions"] is None or used < coupon["max_redemptions"]
        world.change(coupon, "coupon.updated", times_redeemed=used, valid=is_valid)
        if each["promotion_code"]:
            code = world.need("promotion_code", each["promotion_code"])
            world.change(code, "promotion_code.updated", times_redeemed=code["times_redeemed"] + 1)
        ids.append(discount["id"])
    return ids


def in_force(world: World, ids: list[str], at: int) -> list[str]:
    """Those of these discounts that have not ended by `at`."""
    found = [world.need("discount", each) for each in ids]
    return [each["id"] for each in found if each["end"] is None or each["end"] > at]


def coupon_of(world: World, discount_id: str) -> Thing:
    """The coupon behind a discount."""
    return world.need("coupon", world.need("discount", discount_id)["source"]["coupon"])


def use_up(world: World, subscription: Thing, invoice: Thing) -> None:
    """Discounts for one invoice end with it; those whose months are over end too."""
    now, kept = world.clock.seconds(), []
    for discount_id in subscription["discounts"]:
        discount, coupon = world.need("discount", discount_id), coupon_of(world, discount_id)
        took = any(each["discount"] == discount_id and each["amount"] for each in invoice["total_discount_amounts"])
        is_over = discount["end"] is not None and discount["end"] <= now
        if (coupon["duration"] == "once" and took) or is_over:
            world.change(discount, None, end=discount["end"] or now)
            world.emit("customer.discount.deleted", discount)
        else:
            kept.append(discount_id)
    if kept != subscription["discounts"]:
        world.change(subscription, "customer.subscription.updated", discounts=kept)
