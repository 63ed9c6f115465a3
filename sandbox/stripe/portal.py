"""The customer portal's sessions."""

from __future__ import annotations

from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.customers import present
from sandbox.stripe.routes import route
from sandbox.world import World


@route("POST", "/v1/billing_portal/sessions")
def create(world: World, params: Params) -> Thing:
    """A session of the portal for one customer."""
    customer = present(world, params.need("customer"))
    session_id = new_id("bps")
    return world.create(
        {
            "id": session_id,
            "object": "billing_portal.session",
            "configuration": "bpc_sandbox",
            "created": world.clock.seconds(),
            "customer": customer["id"],
            "livemode": False,
            "return_url": params.take("return_url"),
            "url": f"{world.base}/p/session/{session_id}",
        }
    )
