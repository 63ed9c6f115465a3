"""Features of products, and what a customer is entitled to by the subscriptions that run."""

from __future__ import annotations

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.customers import present
from sandbox.stripe.routes import list_things, page_of, route
from sandbox.world import FOLLOWERS, World

ENTITLING = {"active", "trialing", "past_due"}
URL = "/v1/entitlements/active_entitlements"


@route("POST", "/v1/entitlements/features")
def create_feature(world: World, params: Params) -> Thing:
    """A feature that products can have."""
    key = params.need("lookup_key")
    if any(each["lookup_key"] == key for each in world.store.all("entitlements.feature")):
        raise StripeFault(f"A feature with lookup key {key} exists already.", param="lookup_key")
    return world.create(
        {
            "id": new_id("feat"),
            "object": "entitlements.feature",
            "active": True,
            "livemode": False,
            "lookup_key": key,
            "metadata": params.metadata(),
            "name": params.need("name"),
        }
    )


@route("GET", "/v1/entitlements/features")
def index_features(world: World, params: Params) -> Thing:
    """Features: those in use, or the archived ones."""
    url = "/v1/entitlements/features"
    is_active = not params.flag("archived", default=False)
    return list_things(world, params, "entitlements.feature", url, filters=("lookup_key",), active=is_active)


@route("POST", "/v1/entitlements/features/{feature}")
def update_feature(world: World, params: Params, feature: str) -> Thing:
    """Another name, or a rest. What products have of it stays."""
    thing = world.need("entitlements.feature", feature)
    changes = {"name": params.take("name", thing["name"]), "metadata": params.metadata(thing["metadata"])}
    is_active = params.flag("active", default=thing["active"])
    return world.change(thing, None, active=is_active, **changes)


@route("POST", "/v1/products/{product}/features")
def attach(world: World, params: Params, product: str) -> Thing:
    """Give a product a feature. Customers get it with the next event of their subscription."""
    world.need("product", product)
    feature = world.need("entitlements.feature", params.need("entitlement_feature"))
    link = {"id": new_id("prodft"), "object": "product_feature", "entitlement_feature": feature, "livemode": False}
    world.store.put("product_feature", {**link, "product": product})
    return link


@route("GET", "/v1/products/{product}/features")
def index_of_product(world: World, params: Params, product: str) -> Thing:
    """A product's features."""
    own = [each for each in world.store.all("product_feature") if each["product"] == product]
    shown = [{key: value for key, value in each.items() if key != "product"} for each in own]
    return page_of(shown, params, f"/v1/products/{product}/features")


@route("DELETE", "/v1/products/{product}/features/{link}")
def detach(world: World, params: Params, product: str, link: str) -> Thing:
    """Take a feature from a product."""
    world.need("product_feature", link)
    world.store.remove("product_feature", link)
    return {"id": link, "object": "product_feature", "deleted": True}


@route("GET", URL)
def index_active(world: World, params: Params) -> Thing:
    """What a customer is entitled to now."""
    customer = present(world, params.need("customer"))
    return page_of(_active(world, customer["id"]), params, URL)


def _active(world: World, customer: str) -> list[Thing]:
    products = {
        item["price"]["product"]
        for subscription in world.store.by("subscription", "customer", customer)
        if subscription["status"] in ENTITLING
        for item in subscription["items"]["data"]
    }
    links = [each for each in world.store.all("product_feature") if each["product"] in products]
    features = {each["entitlement_feature"]["id"]: each["entitlement_feature"] for each in links}
    return [
        {
            "id": f"ent_{customer[4:]}_{feature['id'][5:]}",
            "object": "entitlements.active_entitlement",
            "feature": feature["id"],
            "livemode": False,
            "lookup_key": feature["lookup_key"],
        }
        for feature in features.values()
    ]


def _follow(world: World, subscription: Thing) -> None:
    """Tell of a customer's entitlements when an event of a subscription changed them."""
    if not world.store.all("product_feature"):
        return
    customer = subscription["customer"]
    active = _active(world, customer)
    known = world.store.get("entitled", customer) or {"ids": []}
    ids = sorted(each["id"] for each in active)
    if ids == known["ids"]:
        return
    world.store.put("entitled", {"ids": ids}, customer)
    summary = {
        "object": "entitlements.active_entitlement_summary",
        "customer": customer,
        "entitlements": {"object": "list", "data": active, "has_more": False, "url": URL},
        "livemode": False,
    }
    world.emit("entitlements.active_entitlement_summary.updated", summary)


FOLLOWERS.append(_follow)
