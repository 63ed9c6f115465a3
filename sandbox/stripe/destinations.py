"""Event destinations of version 2: where thin events are sent. Secret and address are shown to who asks for them."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.meter_errors import iso
from sandbox.stripe.routes import route
from sandbox.world import World

KIND = "v2.core.event_destination"
MOST = 100


@route("POST", "/v2/core/event_destinations")
def create(world: World, params: Params) -> Thing:
    """A new destination; only this answer can hold its secret."""
    url = _url(params.need("webhook_endpoint"))
    params.choice("type", ("webhook_endpoint",))
    params.choice("event_payload", ("thin",))
    now = iso(world.clock.seconds())
    kept = {
        "id": new_id("ed_test"),
        "object": KIND,
        "created": now,
        "description": params.take("description") or "",
        "enabled_events": params.need("enabled_events"),
        "event_payload": "thin",
        "events_from": ["@self"],
        "livemode": False,
        "metadata": params.metadata(),
        "name": params.need("name"),
        "snapshot_api_version": None,
        "status": "enabled",
        "status_details": None,
        "type": "webhook_endpoint",
        "updated": now,
        "webhook_endpoint": {"signing_secret": new_id("whsec", 32), "url": url},
    }
    world.store.put(KIND, kept)
    return _shown(kept, params, "signing_secret", "url")


@route("GET", "/v2/core/event_destinations")
def index(world: World, params: Params) -> Thing:
    """Destinations, newest first; `page` is where the page before said that this one begins."""
    limit, start = params.integer("limit", 20) or 20, params.integer("page", 0) or 0
    include = params.take("include") or []
    if not 1 <= limit <= MOST:
        raise StripeFault(f"limit: must be 1 to {MOST}.", param="limit")
    found = list(reversed(world.store.all(KIND)))
    shown = [_shown(each, params, "url") for each in found[start : start + limit]]
    following = None
    if len(found) > start + limit:
        asked = "".join(f"&include[{n}]={name}" for n, name in enumerate(include))
        following = f"/v2/core/event_destinations?limit={limit}&page={start + limit}{asked}"
    return {"data": shown, "next_page_url": following, "previous_page_url": None}


@route("GET", "/v2/core/event_destinations/{destination}")
def retrieve(world: World, params: Params, destination: str) -> Thing:
    """A destination."""
    return _shown(world.need(KIND, destination), params, "url")


@route("POST", "/v2/core/event_destinations/{destination}")
def update(world: World, params: Params, destination: str) -> Thing:
    """Another name, other events, another address. What a key of the metadata is null for is taken away."""
    thing = world.need(KIND, destination)
    changes: Thing = {name: params.need(name) for name in ("name", "enabled_events") if name in params.values}
    if "description" in params.values:
        changes["description"] = params.take("description") or ""
    if "metadata" in params.values:
        merged = {**thing["metadata"], **params.need("metadata")}
        changes["metadata"] = {key: value for key, value in merged.items() if value is not None}
    if "webhook_endpoint" in params.values:
        changes["webhook_endpoint"] = {**thing["webhook_endpoint"], "url": _url(params.need("webhook_endpoint"))}
    return _shown(_change(world, thing, changes), params, "url")


@route("POST", "/v2/core/event_destinations/{destination}/enable")
def enable(world: World, params: Params, destination: str) -> Thing:
    """Send to it again."""
    thing = world.need(KIND, destination)
    return _shown(_change(world, thing, {"status": "enabled", "status_details": None}), params, "url")


@route("POST", "/v2/core/event_destinations/{destination}/disable")
def disable(world: World, params: Params, destination: str) -> Thing:
    """Send to it no more until it is enabled."""
    thing = world.need(KIND, destination)
    why = {"disabled": {"reason": "user"}}
    return _shown(_change(world, thing, {"status": "disabled", "status_details": why}), params, "url")


@route("DELETE", "/v2/core/event_destinations/{destination}")
def delete(world: World, params: Params, destination: str) -> Thing:
    """Tell it no more."""
    world.need(KIND, destination)
    world.store.remove(KIND, destination)
    return {"id": destination, "object": KIND}


def _change(world: World, thing: Thing, changes: Thing) -> Thing:
    thing.update(changes, updated=iso(world.clock.seconds()))
    return world.store.put(KIND, thing)


def _url(target: Any) -> str:
    url = target.get("url") if isinstance(target, dict) else None
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise StripeFault("Invalid URL", param="webhook_endpoint", code="url_invalid")
    return url


def _shown(kept: Thing, params: Params, *on_request: str) -> Thing:
    include = params.take("include") or []
    shown = {
        name: value if name in on_request and f"webhook_endpoint.{name}" in include else None
        for name, value in kept["webhook_endpoint"].items()
    }
    return {**kept, "webhook_endpoint": shown}
