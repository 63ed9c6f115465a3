"""Events of the last 30 days."""

from __future__ import annotations

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing
from sandbox.stripe.billing_cycle import EVENT_SECONDS
from sandbox.stripe.routes import is_within, page_of, route
from sandbox.world import World


@route("GET", "/v1/events/{event}")
def retrieve(world: World, params: Params, event: str) -> Thing:
    """An event."""
    thing = world.need("event", event)
    if thing["created"] < world.clock.seconds() - EVENT_SECONDS:
        raise StripeFault(f"No such event: '{event}'", status=404, param="id", code="resource_missing")
    return thing


@route("GET", "/v1/events")
def index(world: World, params: Params) -> Thing:
    """Events, newest first: by type (`invoice.*` too), time, or whether every webhook of them arrived."""
    kind, kinds, created = params.take("type"), params.take("types"), params.take("created")
    delivered = params.flag("delivery_success")
    if kind and kinds:
        raise StripeFault("Give type or types, not both.", param="types")
    wanted = kinds or ([kind] if kind else None)
    oldest = world.clock.seconds() - EVENT_SECONDS
    found = [
        each
        for each in reversed(world.store.all("event"))
        if each["created"] >= oldest
        and is_within(each["created"], created)
        and (wanted is None or any(_fits(each["type"], one) for one in wanted))
        and (delivered is None or (each["pending_webhooks"] == 0) is delivered)
    ]
    return page_of(found, params, "/v1/events")


def _fits(kind: str, wanted: str) -> bool:
    return kind.startswith(wanted[:-1]) if wanted.endswith("*") else kind == wanted
