"""Webhook endpoints."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.routes import list_things, route
from sandbox.world import API_VERSION, World


@route("POST", "/v1/webhook_endpoints")
def create(world: World, params: Params) -> Thing:
    """A new endpoint; only this answer holds its secret."""
    url = params.need("url")
    if not url.startswith(("http://", "https://")):
        raise StripeFault("Invalid URL", param="url", code="url_invalid")
    # Another version is kept and shown; events have the shape of the sandbox's own all the same.
    version = params.take("api_version", API_VERSION)
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


@route("POST", "/v1/webhook_endpoints/{endpoint}")
def update(world: World, params: Params, endpoint: str) -> Thing:
    """Another address, other events, or a rest."""
    thing = world.need("webhook_endpoint", endpoint)
    changes: dict[str, Any] = {"metadata": params.metadata(thing["metadata"])}
    for name in ("url", "enabled_events"):
        if name in params.values:
            changes[name] = params.need(name)
    if "description" in params.values:
        changes["description"] = params.take("description") or None
    if "disabled" in params.values:
        changes["status"] = "disabled" if params.flag("disabled") else "enabled"
    return _public(world.change(thing, None, **changes))


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
