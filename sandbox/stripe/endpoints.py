"""Webhook endpoints, and the events they are told of."""

from __future__ import annotations

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.routes import list_things, page_of, route
from sandbox.world import API_VERSION, World


@route("POST", "/v1/webhook_endpoints")
def create(world: World, params: Params) -> Thing:
    """A new endpoint; only this answer holds its secret."""
    url = params.need("url")
    if not url.startswith(("http://", "https://")):
        raise StripeFault("Invalid URL", param="url", code="url_invalid")
    version = params.take("api_version", API_VERSION)
    if version != API_VERSION:
        raise StripeFault(f"This sandbox speaks {API_VERSION} only.", param="api_version")
    return world.create(
        {
            "id": new_id("we"),
            "object": "webhook_endpoint",
            "api_version": version,
            "created": world.clock.seconds(),
            "description": params.take("description"),
            "enabled_events": params.need("enabled_events"),
            "livemode": False,
            "metadata": params.metadata(),
            "secret": new_id("whsec", 32),
            "status": "enabled",
            "url": url,
        }
    )


@route("GET", "/v1/webhook_endpoints")
def index(world: World, params: Params) -> Thing:
    """Endpoints, without their secrets."""
    page = list_things(world, params, "webhook_endpoint", "/v1/webhook_endpoints")
    page["data"] = [_public(each) for each in page["data"]]
    return page


@route("GET", "/v1/webhook_endpoints/{endpoint}")
def retrieve(world: World, params: Params, endpoint: str) -> Thing:
    """An endpoint."""
    return _public(world.need("webhook_endpoint", endpoint))


@route("DELETE", "/v1/webhook_endpoints/{endpoint}")
def delete(world: World, params: Params, endpoint: str) -> Thing:
    """Tell it no more."""
    world.need("webhook_endpoint", endpoint)
    world.store.remove("webhook_endpoint", endpoint)
    return {"id": endpoint, "object": "webhook_endpoint", "deleted": True}


def _public(endpoint: Thing) -> Thing:
    return {key: value for key, value in endpoint.items() if key != "secret"}


@route("GET", "/v1/events/{event}")
def retrieve_event(world: World, params: Params, event: str) -> Thing:
    """An event."""
    return world.need("event", event)


@route("GET", "/v1/events")
def index_events(world: World, params: Params) -> Thing:
    """Events of the last 30 days, newest first."""
    types = params.take("types")
    oldest = world.clock.seconds() - 30 * 86_400
    if types is None:
        return list_things(world, params, "event", "/v1/events", filters=("type",))
    things = [
        each for each in reversed(world.store.all("event")) if each["type"] in types and each["created"] >= oldest
    ]
    return page_of(things, params, "/v1/events")
