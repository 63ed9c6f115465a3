"""Products."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.routes import list_things, route
from sandbox.world import World


@route("POST", "/v1/products")
def create_product(world: World, params: Params) -> Thing:
    """A new product; its id may be chosen."""
    product_id = params.take("id") or new_id("prod", 14)
    if world.store.get("product", product_id):
        raise StripeFault("Product already exists.", param="id", code="resource_already_exists")
    now = world.clock.seconds()
    return world.create(
        {
            "id": product_id,
            "object": "product",
            "active": params.flag("active", default=True),
            "created": now,
            "description": params.take("description"),
            "images": [],
            "livemode": False,
            "marketing_features": params.take("marketing_features") or [],
            "metadata": params.metadata(),
            "name": params.need("name"),
            "tax_code": params.take("tax_code"),
            "type": "service",
            "unit_label": params.take("unit_label"),
            "updated": now,
        },
        "product.created",
    )


@route("GET", "/v1/products/{product}")
def retrieve_product(world: World, params: Params, product: str) -> Thing:
    """A product."""
    return world.need("product", product)


@route("POST", "/v1/products/{product}")
def update_product(world: World, params: Params, product: str) -> Thing:
    """Change a product."""
    thing = world.need("product", product)
    changes: dict[str, Any] = {
        name: params.take(name) or None
        for name in ("name", "description", "tax_code", "unit_label")
        if name in params.values
    }
    if "marketing_features" in params.values:
        changes["marketing_features"] = params.take("marketing_features") or []
    if "active" in params.values:
        changes["active"] = params.flag("active")
    changes["metadata"] = params.metadata(thing["metadata"])
    return world.change(thing, "product.updated", updated=world.clock.seconds(), **changes)


@route("GET", "/v1/products")
def index_products(world: World, params: Params) -> Thing:
    """Products."""
    return list_things(world, params, "product", "/v1/products", filters=("active",))
