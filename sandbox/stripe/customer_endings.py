"""A customer is deleted: subscriptions end, cards go."""

from __future__ import annotations

from sandbox.forms import Params
from sandbox.store import Thing
from sandbox.stripe.customers import present
from sandbox.stripe.lifecycle import end
from sandbox.stripe.routes import route
from sandbox.world import World


@route("DELETE", "/v1/customers/{customer}")
def delete(world: World, params: Params, customer: str) -> Thing:
    """Delete a customer. Its subscriptions end at once, without a last invoice."""
    thing = present(world, customer)
    for subscription in world.store.by("subscription", "customer", customer):
        if subscription["status"] not in {"canceled", "incomplete_expired"}:
            end(world, subscription, "cancellation_requested")
    for method in world.store.by("payment_method", "customer", customer):
        world.change(method, None, customer=None)
        world.emit("payment_method.detached", method, {"customer": customer})
    stub = {"id": customer, "object": "customer", "deleted": True}
    world.store.put("customer", stub)
    world.emit("customer.deleted", thing)
    return stub
