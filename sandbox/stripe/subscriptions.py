"""Subscriptions: begun, changed, renewed, ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe import invoices, payments
from sandbox.stripe.customers import present
from sandbox.stripe.invoice_lines import licensed_line
from sandbox.stripe.routes import list_things, page_of, route
from sandbox.world import World

LIVE = ("active", "past_due", "trialing")


def next_period_end(start: int, anchor: int, interval: str, count: int) -> int:
    """The end of the period that begins at `start`; months keep the anchor's day where the month has it."""
    if interval in {"day", "week"}:
        return start + count * (86_400 if interval == "day" else 604_800)
    begin, base = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(anchor, UTC)
    months = begin.year * 12 + begin.month - 1 + (count if interval == "month" else 12 * count)
    year, month = divmod(months, 12)
    return int(_clamped(year, month + 1, base).timestamp())


def _clamped(year: int, month: int, base: datetime) -> datetime:
    for day in range(base.day, 27, -1):
        try:
            return base.replace(year=year, month=month, day=day)
        except ValueError:
            continue
    return base.replace(year=year, month=month, day=min(base.day, 28))


def begin(world: World, customer: Thing, wanted: list[Thing], metadata: dict[str, str]) -> tuple[Thing, Thing | None]:
    """A new subscription and its first invoice (none where only usage is billed). The card is charged at once."""
    now = world.clock.seconds()
    subscription_id = new_id("sub")
    prices = [world.need("price", item["price"]) for item in wanted]
    currencies = {price["currency"] for price in prices}
    if len(currencies) != 1:
        raise StripeFault("All prices of a subscription must have one currency.", param="items")
    items = [_item(world, subscription_id, price, given, now, now) for price, given in zip(prices, wanted, strict=True)]
    subscription = world.create(
        {
            "id": subscription_id,
            "object": "subscription",
            "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
            "billing_cycle_anchor": now,
            "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
            "billing_schedules": [],
            "cancel_at_period_end": False,
            "cancellation_details": {"comment": None, "feedback": None, "reason": None},
            "collection_method": "charge_automatically",
            "created": now,
            "currency": currencies.pop(),
            "customer": customer["id"],
            "default_tax_rates": [],
            "discounts": [],
            "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
            "items": {
                "object": "list",
                "data": items,
                "has_more": False,
                "total_count": len(items),
                "url": f"/v1/subscription_items?subscription={subscription_id}",
            },
            "livemode": False,
            "metadata": metadata,
            "payment_settings": {
                "payment_method_options": None,
                "payment_method_types": None,
                "save_default_payment_method": "off",
            },
            "start_date": now,
            "status": "active",
            "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        },
        "customer.subscription.created",
    )
    return subscription, _first_invoice(world, subscription, now)


def _item(world: World, subscription_id: str, price: Thing, given: Thing, start: int, anchor: int) -> Thing:
    recurring = price["recurring"]
    item: Thing = {
        "id": new_id("si", 14),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": start,
        "current_period_end": next_period_end(start, anchor, recurring["interval"], recurring["interval_count"]),
        "current_period_start": start,
        "discounts": [],
        "metadata": {},
        "plan": _plan(price),
        "price": {key: value for key, value in price.items() if key != "tiers"},
        "subscription": subscription_id,
        "tax_rates": [],
    }
    if recurring["usage_type"] == "licensed":
        item["quantity"] = int(given.get("quantity", 1))
    elif given.get("quantity") is not None:
        raise StripeFault("Metered prices take no quantity.", param="items")
    return item


def _plan(price: Thing) -> Thing:
    """The old form of a price, which Stripe still sends along."""
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": price["metadata"],
        "meter": recurring["meter"],
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": recurring["usage_type"],
    }


def _first_invoice(world: World, subscription: Thing, now: int) -> Thing | None:
    lines = [
        licensed_line(world, item, item["current_period_start"], item["current_period_end"])
        for item in subscription["items"]["data"]
        if item["price"]["recurring"]["usage_type"] == "licensed"
    ]
    if not lines:
        return None
    invoice = invoices.draft(world, subscription, "subscription_create", lines, now, now)
    world.change(subscription, None, latest_invoice=invoice["id"])
    invoices.finalize(world, invoice)
    if not payments.pay(world, invoice):
        world.change(subscription, "customer.subscription.updated", status="incomplete")
    return invoice


def end(world: World, subscription: Thing, reason: str) -> None:
    """It is over, now."""
    now = world.clock.seconds()
    world.change(
        subscription,
        None,
        status="canceled",
        ended_at=now,
        canceled_at=subscription["canceled_at"] or now,
        cancellation_details={**subscription["cancellation_details"], "reason": reason},
    )
    world.emit("customer.subscription.deleted", subscription)


def schedule_end(world: World, subscription: Thing) -> None:
    """End it with the period: in flexible mode that sets `cancel_at` to the last item's end."""
    world.change(
        subscription,
        "customer.subscription.updated",
        cancel_at=max(item["current_period_end"] for item in subscription["items"]["data"]),
        canceled_at=world.clock.seconds(),
        cancellation_details={**subscription["cancellation_details"], "reason": "cancellation_requested"},
    )


@route("POST", "/v1/subscriptions")
def create(world: World, params: Params) -> Thing:
    """A subscription of a customer whose card is known."""
    customer = present(world, params.need("customer"))
    wanted = params.need("items")
    method = params.take("default_payment_method")
    if method:
        world.need("payment_method", method)
    subscription, _ = begin(world, customer, wanted, params.metadata())
    return subscription


@route("GET", "/v1/subscriptions/{subscription}")
def retrieve(world: World, params: Params, subscription: str) -> Thing:
    """A subscription."""
    return world.need("subscription", subscription)


@route("POST", "/v1/subscriptions/{subscription}")
def update(world: World, params: Params, subscription: str) -> Thing:
    """Metadata, and when it ends."""
    thing = world.need("subscription", subscription)
    if thing["status"] == "canceled":
        raise StripeFault("A canceled subscription can only update its metadata.", param="status")
    changes: dict[str, Any] = {"metadata": params.metadata(thing["metadata"])}
    if "cancel_at_period_end" in params.values:
        wanted = params.flag("cancel_at_period_end")
        changes |= {"cancel_at_period_end": wanted, "canceled_at": world.clock.seconds() if wanted else None}
    if "cancel_at" in params.values:
        changes["cancel_at"] = params.integer("cancel_at")
    return world.change(thing, "customer.subscription.updated", **changes)


@route("DELETE", "/v1/subscriptions/{subscription}")
def cancel(world: World, params: Params, subscription: str) -> Thing:
    """End it at once; usage not billed yet is billed only with `invoice_now`."""
    thing = world.need("subscription", subscription)
    if thing["status"] == "canceled":
        raise StripeFault(f"No such subscription: '{subscription}'", status=404, code="resource_missing")
    params.flag("prorate", default=False)
    now = world.clock.seconds()
    spans = {item["id"]: (item["current_period_start"], now) for item in thing["items"]["data"]}
    end(world, thing, "cancellation_requested")
    if params.flag("invoice_now", default=False):
        lines = invoices.renewal_lines(world, thing, spans)
        if lines:
            invoice = invoices.draft(world, thing, "subscription_cycle", lines, now, now)
            world.change(thing, None, latest_invoice=invoice["id"])
    return thing


@route("GET", "/v1/subscriptions")
def index(world: World, params: Params) -> Thing:
    """Subscriptions; canceled ones only when asked for."""
    status, customer, price = params.take("status"), params.take("customer"), params.take("price")
    if status is None and price is None and customer is None:
        page = list_things(world, params, "subscription", "/v1/subscriptions")
        page["data"] = [each for each in page["data"] if each["status"] != "canceled"]
        return page
    things = [
        each
        for each in reversed(world.store.all("subscription"))
        if (customer is None or each["customer"] == customer)
        and (status == "all" or (each["status"] == status if status else each["status"] != "canceled"))
        and (price is None or any(item["price"]["id"] == price for item in each["items"]["data"]))
    ]
    return page_of(things, params, "/v1/subscriptions")
