"""The calls about single items of a subscription: the same changes, one at a time."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault, missing
from sandbox.forms import Params
from sandbox.store import Thing
from sandbox.stripe import subscription_changes, subscription_params
from sandbox.stripe.routes import page_of, route
from sandbox.world import World

FIELDS = ("price", "quantity", "metadata")


@route("POST", "/v1/subscription_items")
def create(world: World, params: Params) -> Thing:
    """Add an item."""
    subscription = world.need("subscription", params.need("subscription"))
    before = {item["id"] for item in subscription["items"]["data"]}
    _change(world, subscription, params, _given(params))
    return next(item for item in subscription["items"]["data"] if item["id"] not in before)


@route("POST", "/v1/subscription_items/{item}")
def update(world: World, params: Params, item: str) -> Thing:
    """Another price or quantity."""
    subscription = _owner(world, item)
    _change(world, subscription, params, {"id": item, **_given(params)})
    return _find(subscription, item) or {}


@route("DELETE", "/v1/subscription_items/{item}")
def delete(world: World, params: Params, item: str) -> Thing:
    """Take an item off."""
    subscription = _owner(world, item)
    params.flag("clear_usage")
    _change(world, subscription, params, {"id": item, "deleted": "true"})
    return {"id": item, "object": "subscription_item", "deleted": True}


@route("GET", "/v1/subscription_items/{item}")
def retrieve(world: World, params: Params, item: str) -> Thing:
    """An item."""
    return _find(_owner(world, item), item) or {}


@route("GET", "/v1/subscription_items")
def index(world: World, params: Params) -> Thing:
    """A subscription's items."""
    subscription = world.need("subscription", params.need("subscription"))
    return page_of(subscription["items"]["data"], params, "/v1/subscription_items")


def _given(params: Params) -> dict[str, Any]:
    return {name: params.take(name) for name in FIELDS if name in params.values}


def _change(world: World, subscription: Thing, params: Params, item: Thing) -> None:
    if subscription["status"] in {"canceled", "incomplete", "incomplete_expired"}:
        raise StripeFault(
            f"The subscription is {subscription['status']}: its items cannot change.", param="subscription"
        )
    names = ("proration_behavior", "proration_date", "payment_behavior")
    given = {name: params.take(name) for name in names if name in params.values}
    wish = subscription_params.read_wish(world, subscription, Params({**given, "items": [item]}))
    if wish:
        subscription_changes.change(world, subscription, wish, {})


def _find(subscription: Thing, item_id: str) -> Thing | None:
    return next((item for item in subscription["items"]["data"] if item["id"] == item_id), None)


def _owner(world: World, item_id: str) -> Thing:
    for subscription in world.store.all("subscription"):
        if _find(subscription, item_id):
            return subscription
    raise missing("subscription_item", item_id)
