"""What the calls about subscriptions say, read and checked."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing
from sandbox.stripe import discounts
from sandbox.stripe.payment_methods import need_method
from sandbox.stripe.periods import DAY
from sandbox.stripe.subscription_changes import Wish
from sandbox.stripe.subscription_making import Terms
from sandbox.world import World

BEHAVIORS = ("always_invoice", "create_prorations", "none")
PAYMENT_BEHAVIORS = ("allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete")
ENDS = {"min_period_end": min, "max_period_end": max, "max_billed_until": max}
MISSING = ("cancel", "create_invoice", "pause")


def read_terms(world: World, params: Params, customer: Thing) -> Terms:
    """The terms of a new subscription."""
    method = params.take("default_payment_method")
    if method:
        _check_owner(world, customer, method)
    mode = (params.take("billing_mode") or {"type": "flexible"}).get("type")
    if mode != "flexible":
        raise StripeFault("This sandbox bills in flexible mode only.", param="billing_mode[type]")
    params.flag("off_session")
    params.take("payment_settings")
    params.choice("collection_method", ("charge_automatically",))
    behavior = params.choice("payment_behavior", PAYMENT_BEHAVIORS, "allow_incomplete") or ""
    if behavior == "pending_if_incomplete":
        raise StripeFault("pending_if_incomplete is for updates only.", param="payment_behavior")
    return Terms(
        metadata=params.metadata(),
        default_payment_method=method,
        description=params.take("description"),
        trial_end=read_trial_end(world, params.take("trial_end"), params.integer("trial_period_days")),
        anchor=_anchor(world, params),
        proration_behavior=params.choice("proration_behavior", BEHAVIORS, "create_prorations") or "",
        payment_behavior=behavior,
        missing_payment_method=read_missing(params.take("trial_settings")),
        automatic_tax=(params.take("automatic_tax") or {}).get("enabled") == "true",
        discounts=discounts.check(world, params.take("discounts")),
    )


def read_missing(trial_settings: Any) -> str:
    """What happens at a trial's end without a payment method."""
    wanted: str = ((trial_settings or {}).get("end_behavior") or {}).get("missing_payment_method", "create_invoice")
    if wanted not in MISSING:
        raise StripeFault(f"Must be one of {', '.join(MISSING)}.", param="trial_settings[end_behavior]")
    return wanted


def read_trial_end(world: World, moment: Any, days: int | None) -> int | None:
    """When a new trial ends: Unix seconds or days from now; `now` means no trial."""
    if days is not None:
        if not 1 <= days <= 730:
            raise StripeFault("trial_period_days must be from 1 to 730.", param="trial_period_days")
        return world.clock.seconds() + days * DAY
    if moment in {None, "now", ""}:
        return None
    if int(moment) <= world.clock.seconds():
        raise StripeFault("trial_end must be in the future.", param="trial_end")
    return int(moment)


def _anchor(world: World, params: Params) -> int | None:
    anchor = params.integer("billing_cycle_anchor")
    if anchor is not None and anchor <= world.clock.seconds():
        raise StripeFault("billing_cycle_anchor must be in the future.", param="billing_cycle_anchor")
    return anchor


def _check_owner(world: World, customer: Thing, method: str) -> None:
    if world.need("payment_method", method)["customer"] != customer["id"]:
        message = f"The customer does not have a payment method with the ID {method}."
        raise StripeFault(message, param="default_payment_method", code="resource_missing")


def read_changes(world: World, subscription: Thing, params: Params) -> dict[str, Any]:
    """The fields of an update that bill nothing by themselves."""
    changes: dict[str, Any] = {"metadata": params.metadata(subscription["metadata"])}
    if "default_payment_method" in params.values:
        method = params.take("default_payment_method") or None
        if method:
            method = need_method(world, method)["id"]
            _check_owner(world, world.need("customer", subscription["customer"]), method)
        changes["default_payment_method"] = method
    if "description" in params.values:
        changes["description"] = params.take("description") or None
    if "pause_collection" in params.values:
        changes["pause_collection"] = _pause_collection(params.take("pause_collection"))
    if "automatic_tax" in params.values:
        enabled = params.take("automatic_tax").get("enabled") == "true"
        changes["automatic_tax"] = {**subscription["automatic_tax"], "enabled": enabled}
    if "trial_settings" in params.values:
        behavior = {"missing_payment_method": read_missing(params.take("trial_settings"))}
        changes["trial_settings"] = {"end_behavior": behavior}
    if "discounts" in params.values:
        changes["discounts"] = _discounts(world, subscription, params.take("discounts"))
    params.flag("off_session")
    params.take("payment_settings")
    return {**changes, **read_ending(world, subscription, params)}


def _discounts(world: World, subscription: Thing, given: Any) -> list[str]:
    """The whole list after the update: discounts there are, by id, and new ones."""
    given = given or []
    kept = [each["discount"] for each in given if "discount" in each]
    for gone in set(subscription["discounts"]) - set(kept):
        world.emit("customer.discount.deleted", world.need("discount", gone))
    new = discounts.check(world, [each for each in given if "discount" not in each])
    return kept + discounts.redeem(world, new, subscription["customer"], subscription=subscription["id"])


def _pause_collection(given: Any) -> Thing | None:
    if given == "":
        return None
    behaviors = ("keep_as_draft", "mark_uncollectible", "void")
    if given.get("behavior") not in behaviors:
        raise StripeFault(f"Must be one of {', '.join(behaviors)}.", param="pause_collection[behavior]")
    return {"behavior": given["behavior"], "resumes_at": int(given["resumes_at"]) if "resumes_at" in given else None}


def read_ending(world: World, subscription: Thing, params: Params) -> dict[str, Any]:
    """`cancel_at_period_end` and `cancel_at`: set, or taken back."""
    changes: dict[str, Any] = {}
    asked = {"cancel_at_period_end", "cancel_at"} & set(params.values)
    if asked and subscription["schedule"]:
        message = f"The subscription is managed by the subscription schedule `{subscription['schedule']}`."
        raise StripeFault(f"{message} Change the schedule instead.", param=asked.pop())
    now, comment = world.clock.seconds(), params.take("cancellation_details") or {}
    details = {**subscription["cancellation_details"], **{name: comment[name] or None for name in comment}}
    if params.flag("cancel_at_period_end"):
        changes |= {"cancel_at_period_end": True, "cancel_at": None, "canceled_at": now}
    elif "cancel_at_period_end" in params.values:
        changes |= not_ending(subscription)
    moment = params.take("cancel_at")
    if moment == "":
        changes |= not_ending(subscription)
    elif moment is not None:
        changes |= {
            "cancel_at_period_end": False,
            "cancel_at": _moment(world, subscription, moment),
            "canceled_at": now,
        }
    if changes.get("canceled_at"):
        changes["cancellation_details"] = {**details, "reason": "cancellation_requested"}
    elif comment:
        changes.setdefault("cancellation_details", details)
    return changes


def not_ending(subscription: Thing) -> dict[str, Any]:
    """The fields of a subscription that goes on."""
    details = {**subscription["cancellation_details"], "reason": None}
    return {"cancel_at_period_end": False, "cancel_at": None, "canceled_at": None, "cancellation_details": details}


def _moment(world: World, subscription: Thing, moment: str) -> int:
    """Unix seconds, or the end of the item whose period ends first or last.

    In doubt: `max_billed_until` is taken for the last end, as nothing is billed ahead of the periods here.
    """
    if moment in ENDS:
        return int(ENDS[moment](item["current_period_end"] for item in subscription["items"]["data"]))
    if not moment.isdigit() or int(moment) <= world.clock.seconds():
        raise StripeFault("cancel_at must be in the future.", param="cancel_at")
    return int(moment)


def read_wish(world: World, subscription: Thing, params: Params) -> Wish | None:
    """The part of an update that changes what is billed, or None."""
    items, trial = params.take("items") or [], params.take("trial_end")
    anchor = params.take("billing_cycle_anchor")
    if isinstance(anchor, str):
        message = "billing_cycle_anchor must be an object: {type: now} or {type: unchanged}."
        raise StripeFault(message, param="billing_cycle_anchor")
    resets = (anchor or {}).get("type") == "now"
    behavior = params.choice("proration_behavior", BEHAVIORS, "create_prorations") or ""
    payment_behavior = params.choice("payment_behavior", PAYMENT_BEHAVIORS, "allow_incomplete") or ""
    at = params.integer("proration_date", world.clock.seconds()) or 0
    if not items and trial is None and not resets:
        return None
    starts = [item["current_period_start"] for item in subscription["items"]["data"]]
    ends = [item["current_period_end"] for item in subscription["items"]["data"]]
    if not min(starts) <= at <= min(ends):
        raise StripeFault("proration_date must lie in the current period.", param="proration_date")
    return Wish(
        items=items,
        at=at,
        behavior=behavior,
        payment_behavior=payment_behavior,
        resets_cycle=resets,
        trial_end=read_trial_end(world, trial, None),
        ends_trial=trial == "now" and subscription["status"] == "trialing",
    )
